"""What a family's matrix products alone allow: they are found in its runs by themselves, and timed without the rest.

``python benchmarks/bounds.py --only bert`` prints, for a training step and forward passes of 1 and 8 rows in each
framework, and in bfloat16 where the processor multiplies it: the seconds of the run and those of its products alone,
in turn in one process, with its threads and its products' library; the share of the best product's rate that the run
reaches, and that it would reach if all else took no time; what of it passes outside of products; and the rates of its
heaviest products. What a limit of ``training_step.py`` asks beyond the second share, only faster products would give.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from bounds_parts import Products
from family_steps import FAMILIES, PEERS, Case, ways
from family_steps.products import key, products, sizes
from measure import Worker, processor, serve
from step_worker import FORWARD
from training_step import best_product, fit_together, multiplies_half, width_that_fits
from turns import HALF

CLOCKS = {"seconds": time.perf_counter, "processor": time.process_time}
PARTS = ("train", "forward", HALF)
HEAVIEST = 5
REPEATED_FLOPS = 40e9
"""Of a heavy product's repeats in one timed run, and how many there are at most."""
MOST_REPEATS = 50
LARGE = 2**26
"""Values of a tensor that no cache holds."""

Found = dict[str, dict[str, list[float]]]
"""Seconds of each round, by what was run and by way, or those of all processors together."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=[*CLOCKS], default="seconds")
    parser.add_argument("--only", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--frameworks", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument(
        "--width", type=int, help="of families too large for this machine; measured by its memory"
    )
    parser.add_argument("--tiny", action="store_true", help="few thin layers, to try this script")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    print(processor(), flush=True)
    for family in given.only:
        case = Case(family=family, tiny=given.tiny)
        case = replace(case, width=width_that_fits(case) if given.width is None else given.width)
        print(f"\n{family}: {case.spec.name}{f', {case.width} wide' if case.width else ''}", flush=True)
        for line in measured(case, given):
            print(line, flush=True)


def measured(case: Case, given: argparse.Namespace) -> Iterator[str]:
    """The lines of a family."""
    runs = ["train"] if {"train", HALF} & set(given.parts) else []
    names, peers = list(given.frameworks), []
    if "forward" in given.parts:
        runs += FORWARD.values()
        peers = [peer for framework, peer in PEERS.items() if framework in names and peer in ways(case)]
    if HALF in given.parts and multiplies_half():
        names += [f"{name} {HALF}" for name in given.frameworks]
    found: Found = {}
    told: dict[str, dict[str, object]] = {}
    together = fit_together(case, len(names) + len(peers))
    for group in [[*names, *peers]] if together else [[each] for each in [*names, *peers]]:
        _take(case, group, runs, given, found, told)
    best = best_product({each: found[key(each)] for each in sizes(case)})
    yield f"best product {best / 1e9:.0f} GFLOP/s, float32"
    yield f"{'':<26}{'seconds':>9}{'products':>10}{'outside':>9}{'share':>7}{'of products alone':>19}"
    flops = dict(zip(("train", "forward"), case.flops(), strict=True))
    for what in runs:
        for name in names:
            if name in found[what]:
                yield _row(case, what, name, found, flops, best)
    for framework in given.frameworks if "train" in given.parts else []:
        yield from _details(framework, found, told[framework], flops["train"], best)


def _take(
    case: Case, names: list[str], runs: list[str], given: argparse.Namespace, found: Found, told: dict
) -> None:
    """The runs of some ways in turn, into ``found`` and ``told``."""
    workers = {}
    for name in names:
        framework, _, dtype = name.partition(" ")
        script = "bounds.py" if framework in PEERS else "step_worker.py"
        workers[name] = Worker(script, framework, replace(case, dtype=dtype or case.dtype).text())
    for what in [*runs, *map(key, sizes(case))]:
        here = [name for name in names if _does(name, what)]
        for turn in range(-1, given.rounds):  # The first warms up.
            for name in here if turn % 2 == 0 else reversed(here):
                has_products = what in runs and name.split()[0] in PEERS
                for each in [what, *([f"{what} products"] if has_products else [])]:
                    took = workers[name].run(each)
                    if turn >= 0:
                        found.setdefault(each, {}).setdefault(name, []).append(getattr(took, given.clock))
    for name, worker in workers.items():
        if name in PEERS and "train" in given.parts:
            told[name] = worker.told(f"details {given.clock}")
        worker.close()


def _does(name: str, what: str) -> bool:
    """Peers are held against forward passes alone, and bfloat16 trains alone."""
    if name in PEERS:
        return True
    return what == "train" if HALF in name else what in FORWARD.values()


def _row(case: Case, what: str, name: str, found: Found, flops: dict[str, int], best: float) -> str:
    own, alone = found[what][name], found[f"{what} products"][name]
    outside = statistics.median(1 - b / a for a, b in zip(own, alone, strict=True))
    kind, _, rows = what.partition(" ")
    done = flops[kind] * (int(rows) / case.batch_rows if rows else 1)
    shares = [done / min(times) / best for times in (own, alone)]
    line = (
        f"{what + ', ' + name:<26}{statistics.median(own):>9.3f}{statistics.median(alone):>10.3f}"
        f"{outside:>9.2f}{shares[0]:>7.2f}{shares[1]:>19.2f}"
    )
    peer = PEERS.get(name)
    if peer in found[what]:
        least = statistics.median(b / a for a, b in zip(found[what][peer], alone, strict=True))
        line += f"   {least:.2f} of {peer}'s {statistics.median(found[what][peer]):.3f}"
    elif HALF in name:
        wide = found[what][name.split()[0]]
        reached, least = (
            statistics.median(b / a for a, b in zip(wide, times, strict=True)) for times in (own, alone)
        )
        line += f"   {reached:.2f} of float32's step, {least:.2f} its products alone"
    return line


def _details(framework: str, found: Found, told: dict, all_flops: int, best: float) -> Iterator[str]:
    yield f"heaviest products of the training step, {framework}:"
    for what, count, flops, took in told["heaviest"]:
        rate = flops / took
        yield f"  {count:>4} x {1e3 * took:>7.2f} ms {rate / 1e9:>6.0f} GFLOP/s {rate / best:>5.2f}  {what}"
    if told["passed"]:
        own, alone = (statistics.median(found[what][framework]) for what in ("train", "train products"))
        layer, large = (told["passed"] / rate for rate in told["rates"])
        yield (
            f"outside of products {own - alone:.2f} s; {told['passed'] / 1e9:.1f} GB pass there: {layer:.2f} s at "
            f"the rate of a pass over a layer's tensor, {large:.2f} over a large one's, with which the share would "
            f"be {all_flops / (alone + large) / best:.2f}"
        )


def work(framework: str, case: Case) -> None:
    """A worker's side: the runs of one framework, and of each its products, which are found when first asked for."""
    from family_steps.zoo import steps_of, zoo_backend

    backend = zoo_backend(framework, case)
    steps = steps_of(backend, case)
    runs = {"train": steps.train, **{what: steps.forward(rows) for rows, what in FORWARD.items()}}
    inputs = {"train": case.batch(), **{what: case.features(rows) for rows, what in FORWARD.items()}}
    found = {}

    def of(what: str):
        if what not in found:
            runs[what]()
            found[what] = products_of(backend, what, runs[what], inputs[what])
        return found[what]

    def details(clock: str) -> str:
        own = of("train")
        heaviest = [
            (each.what, each.count, each.flops, each.timed(_repeats(each.flops), CLOCKS[clock]))
            for each in own.heaviest(HEAVIEST)
        ]
        told = {"heaviest": heaviest, "passed": own.passed}
        if own.passed:
            from bounds_parts.torch_products import pass_rate

            rows, width, _ = sizes(case)[0]
            told["rates"] = [pass_rate(values, CLOCKS[clock]) for values in (rows * width, LARGE)]
        return json.dumps(told)

    alone = {f"{what} products": lambda what=what: of(what).run() for what in runs}
    serve(
        {**runs, **alone, **products(framework, case)},
        {f"details {clock}": partial(details, clock) for clock in CLOCKS},
    )


def products_of(backend, what: str, run: Callable[[], object], inputs: Mapping[str, np.ndarray]) -> Products:
    """Those of ``run``, a ``train`` or another, which the backend has done before."""
    if backend.name == "torch":
        from bounds_parts import torch_products

        return torch_products.recorded(run)
    from bounds_parts import tf_products

    kind = "step" if what == "train" else "forward"
    (function,) = (each for (name, _), each in backend._functions.items() if name == kind)
    shapes = {name: value.shape for name, value in inputs.items()}
    return tf_products.recorded(function.get_concrete_function(), shapes, run)


def _repeats(flops: int) -> int:
    return max(1, min(MOST_REPEATS, round(REPEATED_FLOPS / max(flops, 1))))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if sys.argv[1:] and sys.argv[1] in PEERS:
        work(sys.argv[1], Case.read(sys.argv[2]))
    else:
        main()
