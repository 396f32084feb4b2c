"""Float32 and bfloat16 held against float64: each framework by what rounding explains, and by the other's error."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from zoo_common.backend import Batch, TrainingModel, Weights
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench
from zoo_common.parity.compare import Gap
from zoo_common.parity.naming import name_rounding
from zoo_common.parity.probes import nudged
from zoo_common.parity.results import Level, LevelResult
from zoo_common.parity.subject import Sizes

Run = Callable[[TrainingModel, Batch], Weights]
"""What a backend gives for a batch: outputs, or gradients."""
Measure = Callable[[Weights, Weights, Sizes], dict[str, Gap]]
"""The gap of each tensor, found and reference, and the sizes that they are judged on if larger than their own."""


def judge(
    bench: Bench,
    level: Level,
    dtype: str,
    given: Mapping[str, Mapping[str, Weights]],
    run: Run,
    measure: Measure,
    reference: Mapping[str, Weights],
) -> LevelResult:
    """What each framework has ``given`` in ``dtype`` against the float64 ``reference`` of each batch, and the two
    errors against each other; ``run`` makes the same of a float64 model."""
    rule = tolerances.ROUNDING[dtype]

    def judged(sizes: Mapping[str, Sizes]) -> LevelResult:
        """With differences held against these sizes, where a tensor is smaller."""

        def worst_gaps(tensors: Mapping[str, Weights]) -> dict[str, Gap]:
            """The worst gap over the batches, by tensor, or of all tensors together under one empty name."""
            found: dict[str, Gap] = {}
            for name in bench.inputs:
                for tensor, gap in measure(tensors[name], reference[name], sizes[name]).items():
                    key = tensor if rule.each_tensor else ""
                    found[key] = found.get(key, Gap.none()).worse(Gap(gap.value, f"{gap.name} ({name})"))
            return found

        def moved(model: TrainingModel) -> dict[str, Gap]:
            return worst_gaps({name: run(model, batch) for name, batch in bench.inputs.items()})

        errors = {framework: worst_gaps(given[framework]) for framework in bench.frameworks}
        for explained in _explained(bench, rule, moved):
            result = _judged(errors, explained, rule, level, dtype)
            if result.passed:
                break
        return result

    result = judged({name: {} for name in bench.inputs})
    if not result.passed:
        contrasted = judged({name: bench.contrast(level, batch) for name, batch in bench.inputs.items()})
        result = contrasted if contrasted.passed else result
    return result if result.passed else _named(bench, dtype, result)


def _named(bench: Bench, dtype: str, result: LevelResult) -> LevelResult:
    """With the block that rounds away most in the framework that strayed, or the tensor where none stands out."""
    tensor, _, rest = result.worst.partition(" (")
    batch = bench.inputs[rest.partition(")")[0]]
    block = name_rounding(bench, batch, dtype, result.side)
    if not block:
        return replace(result, block=tensor)
    return replace(
        result, block=block, detail=f"{result.detail}; {block} rounds away the most beyond the other's"
    )


def _judged(
    errors: Mapping[str, Mapping[str, Gap]],
    explained: Mapping[str, float],
    rule: tolerances.Rounding,
    level: Level,
    dtype: str,
) -> LevelResult:
    """The errors of each framework by tensor, beside what rounding explains of each."""
    # The tensor that stands highest above what rounding explains, in the framework where it does.
    framework, tensor = max(
        ((framework, tensor) for framework, gaps in errors.items() for tensor in gaps),
        key=lambda pair: errors[pair[0]][pair[1]].value / explained.get(pair[1], math.inf),
    )
    worst, floor = errors[framework][tensor], explained.get(tensor, 0.0)
    limit = rule.multiple * floor
    apart = max(_apart(errors, tensor, explained) for tensor in explained)
    passed = worst.value <= limit and apart <= rule.ratio
    each = ", ".join(f"{name} {gaps[tensor].value:.1e}" for name, gaps in errors.items() if tensor in gaps)
    detail = f"from float64: {each}; rounding explains {floor:.1e}"
    if not passed:
        detail = f"{framework} strayed; {detail}"
        if worst.value <= limit:
            detail += f"; the errors are apart by {apart:.1f}, at most {rule.ratio:g} is allowed"
    side = "" if passed else framework
    return LevelResult(
        level, dtype, passed, worst.value, limit, f"{worst.name} ({framework})", detail, side=side
    )


def _explained(
    bench: Bench, rule: tolerances.Rounding, worst_gaps: Callable[[TrainingModel], dict[str, Gap]]
) -> Iterator[dict[str, float]]:
    """By tensor, how far float64 results move when every weight is off by one unit roundoff of the dtype.

    First the furthest of the changes that are always tried, then of one more each time: a further change can but
    raise it, so it is drawn only while the errors are above what the others explain. In float64 either framework
    gives the same; the last is PyTorch of those that ship, which needs a fraction of the other's time for it.
    """
    backend = bench.backend(bench.frameworks[-1], "float64")
    least = rule.roundoff * (
        1.0 if rule.each_tensor else math.sqrt(max(1, bench.graph.cost(batch=1).kernels))
    )
    explained: dict[str, float] = {}
    try:
        for nudge in range(rule.most_nudges):
            backend.set_weights(nudged(bench.weights, rule.roundoff, bench.seed + nudge))
            for tensor, gap in worst_gaps(backend).items():
                explained[tensor] = max(explained.get(tensor, least), gap.value)
            if nudge + 1 >= rule.nudges:
                yield explained
    finally:
        backend.set_weights(bench.weights)


def _apart(errors: Mapping[str, Mapping[str, Gap]], tensor: str, explained: Mapping[str, float]) -> float:
    """How many times one framework's error is the other's, where it is above what rounding explains."""
    found = [gaps[tensor].value if tensor in gaps else math.inf for gaps in errors.values()]
    return max(found) / max(min(found), explained[tensor])
