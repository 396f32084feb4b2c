"""Every family's training step and forward pass, in time and in memory, against transformers' and KerasHub's.

``python benchmarks/training_step.py`` prints a row a limit, family by family; ``--only bert`` takes some minutes. It
needs the extra ``benchmarks``. How far we are ahead of the others depends on the processor, by what their libraries
make of it; what travels between machines is a step's floating-point rate as a share of the best that a matrix product
of the model's sizes reaches in either framework in the same run. On a machine that others use, ``--clock processor``
compares the seconds of its processors.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

from family_steps import FAMILIES, PEERS, Case, ways
from family_steps.products import REPEATS, key, sizes
from measure import Row, processor, processor_flags, ratio
from step_worker import FORWARD
from turns import HALF, Found, Turns, seconds

PEER = 0.95
BERT_PEER, BERT_PEER_DOUBLED = 0.70, 0.40
"""BERT's, and where the library that we choose for torch's products is twice as fast as its default."""
EQUAL = 1.10
"""How much slower than the other one framework's own step may be."""
MEMORY = 0.90
FORWARD_PEER = {1: 0.95, 8: 0.90}
HALF_SHARE = 0.55
"""A bfloat16 step's time by the float32 one's, where the processor multiplies bfloat16 by itself."""
MARGIN = 1.3
"""What others may need beyond our estimate of memory."""

Times = Mapping[str, list[float]]
"""Seconds of each round, by way."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm", type=int, default=2, help="runs before the first that is timed")
    parser.add_argument("--only", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--clock", choices=["seconds", "processor"], default="seconds")
    parser.add_argument(
        "--width", type=int, help="of families too large for this machine; measured by its memory"
    )
    parser.add_argument("--tiny", action="store_true", help="few thin layers, to try this script")
    parser.add_argument("--train-only", action="store_true", help="no forward passes and no bfloat16")
    given = parser.parse_args()
    print(processor(), flush=True)
    passed = True
    for family in given.only:
        case = Case(family=family, tiny=given.tiny)
        case = replace(case, width=width_that_fits(case) if given.width is None else given.width)
        print(f"\n{family}: {case.spec.name}{f', {case.width} wide' if case.width else ''}", flush=True)
        for row in measured(case, given):
            print(row, flush=True)
            passed &= row.passed
    sys.exit(not passed)


def measured(case: Case, given: argparse.Namespace) -> Iterator[Row]:
    """The rows of a family."""
    names, has_peer = ways(case), len(ways(case)) > len(PEERS)
    products = {key(each): each for each in sizes(case)}
    forwards = [*FORWARD.values()] if has_peer and not given.train_only else []
    turns = Turns(case, names, ["train", *forwards, *products], given.rounds, given.warm)
    found = turns.take(together=fit_together(case, len(names)))
    times = {what: seconds(costs, given.clock) for what, costs in found.costs.items()}
    best = best_product({each: times[what] for what, each in products.items()})
    yield from step_rows(case, times, best, doubled(found, products))
    for rows, what in FORWARD.items():
        if what in times:
            yield from peer_rows(
                f"forward, batch {rows}", times[what], dict.fromkeys(PEERS, FORWARD_PEER[rows])
            )
    for framework, peer in PEERS.items():
        ours, other = (found.peaks.get(name) for name in (framework, peer))
        if other is None:
            yield Row(f"peak memory, {framework}", ours / 1e9, None, "GB")
        else:
            told = f"peak memory, {framework} / {peer} ({ours / 1e9:.2f} GB, {other / 1e9:.2f} GB)"
            yield Row(told, ours / other, MEMORY)
    if multiplies_half() and not given.train_only:
        yield from half_rows(case, given)


def step_rows(case: Case, times: Mapping[str, Times], best: float, is_doubled: bool) -> Iterator[Row]:
    """Of the training step: its share of the products' rate, against its peers, and one framework by the other."""
    steps, (flops, _) = times["train"], case.flops()
    yield from shares("training step", flops, steps, list(PEERS), best, case.of.share)
    limits = dict.fromkeys(PEERS, PEER)
    if case.family == "bert":
        limits = {"torch": BERT_PEER_DOUBLED if is_doubled else BERT_PEER, "tf": PEER}
        if "avx512f" not in processor_flags():
            limits["tf"] = BERT_PEER
    yield from peer_rows("training step", steps, limits)
    apart = ratio(steps, "torch", "tf")
    yield Row("training step, the slower framework / the faster", max(apart, 1 / apart), EQUAL)


def peer_rows(what: str, times: Times, limits: Mapping[str, float]) -> Iterator[Row]:
    """Each framework's own by its peer's, where there is one."""
    for framework, peer in PEERS.items():
        if peer in times:
            told = ", ".join(f"{statistics.median(times[name]):.2f} s" for name in (framework, peer))
            yield Row(
                f"{what}, {framework} / {peer} ({told})", ratio(times, framework, peer), limits[framework]
            )
        else:
            yield Row(f"{what}, {framework}", statistics.median(times[framework]), None, "s")


def half_rows(case: Case, given: argparse.Namespace) -> Iterator[Row]:
    """bfloat16 by float32."""
    names = [name for framework in PEERS for name in (framework, f"{framework} {HALF}")]
    turns = Turns(case, names, ["train"], given.rounds, given.warm)
    times = seconds(turns.take(together=fit_together(case, len(names))).costs["train"], given.clock)
    for framework in PEERS:
        half = f"{framework} {HALF}"
        told = ", ".join(f"{statistics.median(times[name]):.2f} s" for name in (half, framework))
        yield Row(f"training step, {half} / float32 ({told})", ratio(times, half, framework), HALF_SHARE)


def best_product(times: Mapping[tuple[int, int, int], Times]) -> float:
    """FLOP/s of the fastest run of ``REPEATS`` products, of all sizes, ways and rounds."""
    return max(
        2 * rows * inner * columns * REPEATS / min(map(min, by_way.values()))
        for (rows, inner, columns), by_way in times.items()
    )


def shares(
    what: str, flops: int, times: Times, frameworks: list[str], best: float, limit: float | None
) -> list[Row]:
    """The rate of each framework's fastest step, as a share of the best product's."""
    found = []
    for framework in frameworks:
        rate = flops / min(times[framework])
        told = f"{what}, {framework}: share of the products' {rate / 1e9:.0f} / {best / 1e9:.0f} GFLOP/s"
        found.append(Row(told, rate / best, limit, at_least=True))
    return found


def doubled(found: Found, products: Mapping[str, object]) -> bool:
    """Whether torch's products by what we choose take half of the time of its default's, which transformers has."""
    if "transformers" not in found.costs["train"]:
        return False
    took = {
        name: sum(min(cost.processor for cost in found.costs[what][name]) for what in products)
        for name in ("torch", "transformers")
    }
    return took["transformers"] >= 2 * took["torch"]


def multiplies_half() -> bool:
    """Whether this processor has instructions for products of bfloat16."""
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(processor_flags()))


def fit_together(case: Case, count: int) -> bool:
    """Whether so many ways have room in the memory that is free."""
    from zoo_common.memory.machine import available_bytes

    return MARGIN * count * needed_bytes(case) <= available_bytes()


def width_that_fits(case: Case) -> int:
    """The largest half, quarter and so on of the published width at which one way fits; 0 for the whole."""
    from zoo_common.memory.machine import available_bytes

    if case.of.narrowed is None:
        return 0
    width = case.of.products[0]
    while MARGIN * needed_bytes(replace(case, width=width)) > available_bytes():
        width //= 2
    return 0 if width == case.of.products[0] else width


def needed_bytes(case: Case) -> int:
    """What the hungrier framework needs to train."""
    from zoo_common.memory.training import training_bytes

    dimensions = case.sizes()
    return max(sum(training_bytes(case.spec, case.graph, name, **dimensions).values()) for name in PEERS)


if __name__ == "__main__":
    main()
