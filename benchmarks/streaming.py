"""Training with weights in files against training with them in memory: results, memory, bytes, processor, waiting.

``python benchmarks/streaming.py`` has a row for each limit, in ten minutes a framework; ``--quick`` tries that it
works, on smaller models, in one. ``--spec gpt3_1p3b --steps 2 --framework torch --plot FILE.png`` trains that model's
own spec by rows of 2,048 tokens instead, which takes 36 GB of disk, and draws its memory over time.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from measure import Row, finish, in_process
from streaming_parts.equal import CASES, NO_CLIPPING, QUICK
from streaming_parts.large import rows as large

PEAK, GROWTH, BYTES, WAITING = 0.35, 1.5, 0.02, 0.10
CPU = {"torch": 1.25, "tf": 1.4}
STREAMED = "training.execution=weight_streaming"
RESIDENT = "training.recompute=true"
"""What streaming is held against computes each layer twice too."""


@dataclass(frozen=True)
class Shape:
    """A decoder, and the rows and tokens of a step."""

    hidden: int
    layers: int
    rows: int
    tokens: int
    micro_batches: int = 1

    @property
    def overrides(self) -> list[str]:
        return [
            f"model.hidden_size={self.hidden}",
            f"model.num_layers={self.layers}",
            f"model.num_heads={max(1, self.hidden // 64)}",
            f"model.intermediate_size={4 * self.hidden}",
            "model.vocab_size=1000",
            f"model.max_positions={self.tokens}",
            "data.kind=generated",
            f"data.sequence_length={self.tokens}",
            f"training.batch_size={self.rows}",
            f"training.micro_batch_size={self.rows // self.micro_batches}",
            "training.schedule=constant",
        ]

    @property
    def inputs(self) -> int:
        """Bytes of a layer's input in a step."""
        return 4 * self.rows * self.tokens * self.hidden


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--framework", choices=("torch", "tf"), action="append")
    parser.add_argument("--quick", action="store_true", help="small models, to see that it works")
    parser.add_argument("--only", choices=list(PARTS), action="append", help="these rows alone")
    parser.add_argument("--spec", help="train this one instead, one row a step")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--plot", type=Path, help="with --spec: a PNG of memory over time")
    parser.add_argument("--folder", type=Path, help="where the run with --spec is put; a temporary one else")
    given = parser.parse_args()
    frameworks = given.framework or ["torch", "tf"]
    if given.spec is not None:
        finish(
            [
                row
                for each in frameworks
                for row in large(given.spec, each, given.steps, given.plot, given.folder)
            ]
        )
    found = []
    for framework in frameworks:
        for name in given.only or PARTS:
            for row in PARTS[name](framework, given.quick):
                print(row, flush=True)
                found.append(row)
    print()
    finish(found)


def equality(framework: str, is_quick: bool) -> Iterator[Row]:
    """Losses, norms, weights and moments against those of a resident run."""
    names = QUICK if is_quick else tuple(CASES)
    apart = in_process("streaming_parts/equal.py", framework, *names)
    for name in names:
        most, value = CASES[name].most, apart[name]
        # A difference of no size, such as that of -0.0 and 0.0, is one bit all the same.
        measured = 0.0 if value < 0 else max(value, 5e-324)
        yield Row(f"{framework}: {name}: off resident", measured, most)


def peak(framework: str, is_quick: bool) -> Iterator[Row]:
    """The peak of a deep model over that of a resident run."""
    shape = Shape(256, 12, 2, 64) if is_quick else Shape(1024, 24, 2, 128)
    one, other = (_steps(framework, 2, shape, way) for way in (STREAMED, RESIDENT))
    print(f"{framework}: peak {one['peak'] / 1e6:,.0f} MB streamed, {other['peak'] / 1e6:,.0f} MB resident")
    limit = None if is_quick else PEAK  # The library is most of what a small one takes.
    yield Row(
        f"{framework}: peak of {shape.layers} layers of {shape.hidden}, over resident",
        one["peak"] / other["peak"],
        limit,
    )


def growth(framework: str, is_quick: bool) -> Iterator[Row]:
    """What more layers add to the peak, over the inputs that they keep."""
    few, many = (
        (Shape(256, 4, 4, 256), Shape(256, 12, 4, 256))
        if is_quick
        else (
            Shape(512, 12, 4, 256),
            Shape(512, 48, 4, 256),
        )
    )
    one, other = (_steps(framework, 2, shape, STREAMED)["peak"] for shape in (few, many))
    inputs = (many.layers - few.layers) * many.inputs
    print(f"{framework}: peak {one / 1e6:,.0f} MB, then {other / 1e6:,.0f} MB, inputs {inputs / 1e6:,.0f} MB")
    limit = None if is_quick else GROWTH
    what = f"{framework}: growth from {few.layers} to {many.layers} layers, over their inputs"
    yield Row(what, (other - one) / inputs, limit)


def traffic(framework: str, is_quick: bool) -> Iterator[Row]:
    """Bytes a parameter and step, as the model and as the system counts them."""
    layers, hidden = (4, 128) if is_quick else (12, 512)
    for clips, wanted in ((False, 28), (True, 40)):
        for micro_batches in (1, 4):
            shape = Shape(hidden, layers, 4, 32, micro_batches)
            found = _steps(framework, 3, shape, STREAMED, *([] if clips else [NO_CLIPPING]))
            last = found["steps"][-1]
            what = f"{framework}: bytes a parameter, {micro_batches} micro-batches{', clipping' if clips else ''}"
            each = {who: last[who] / found["parameters"] for who in ("moved", "system")}
            print(f"{what}: {each['moved']:.2f}, by the system {each['system']:.2f}")
            for who, value in each.items():
                off = abs(value / wanted - 1)
                told = "" if who == "moved" else ", as the system counts"
                yield Row(f"{what}{told}: off {wanted}", off, None if is_quick else BYTES)


def processor(framework: str, is_quick: bool) -> Iterator[Row]:
    """Processor seconds of a step, over those of a resident one with recomputation."""
    shapes = [Shape(128, 4, 2, 64)] if is_quick else [Shape(1024, 4, 1, 2048), Shape(512, 12, 2, 128)]
    for shape in shapes:
        rounds: list[float] = []
        for _ in range(1 if is_quick else 3):
            (one, aside), (other, _) = (
                _cpu(_steps(framework, 4, shape, way)) for way in (STREAMED, RESIDENT)
            )
            print(
                f"{framework}: {one:.2f} s of the processor a step streamed, of which {aside:.2f} beside the thread "
                f"that computes, {other:.2f} resident"
            )
            rounds.append(one / other)
        what = f"{framework}: processor seconds a step of {shape.rows * shape.tokens:,} tokens, over resident"
        yield Row(what, statistics.median(rounds), None if is_quick else CPU[framework])


def waiting(framework: str, is_quick: bool) -> Iterator[Row]:
    """The share of a step that waits for files, none of which is in the page cache."""
    shape = Shape(256, 4, 1, 256) if is_quick else Shape(1024, 8, 1, 2048)
    steps = _steps(framework, 3, shape, STREAMED, cold=True)["steps"][1:]
    share = statistics.median(step["waited"] / step["seconds"] for step in steps)
    limit = None if is_quick else WAITING
    yield Row(f"{framework}: waiting for files, of a step of {shape.tokens} tokens, cache cold", share, limit)


PARTS = {
    "equality": equality,
    "peak": peak,
    "growth": growth,
    "bytes": traffic,
    "processor": processor,
    "waiting": waiting,
}


def _steps(framework: str, steps: int, shape: Shape, *overrides: str, cold: bool = False) -> Mapping:
    how = "cold" if cold else "warm"
    return in_process("streaming_parts/steps.py", framework, str(steps), how, *shape.overrides, *overrides)


def _cpu(found: Mapping) -> tuple[float, float]:
    """Of the steps after the first, in which a framework traces: all, and what other threads took."""
    all_, aside = ([step[each] for step in found["steps"][1:]] for each in ("cpu", "aside"))
    return statistics.median(all_), statistics.median(aside)


if __name__ == "__main__":
    main()
