"""All levels, one after the other, for a spec."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from zoo_common.backend import backends
from zoo_common.data import Dataset, open_dataset
from zoo_common.parity import dynamic, static
from zoo_common.parity.bench import Bench, Prepare
from zoo_common.parity.results import LEVELS, Level, LevelResult, ParityReport
from zoo_common.training.loop import require_parameters
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.experiment import ExperimentSpec

Watch = Callable[[LevelResult], None]


def run_parity(
    spec: ExperimentSpec,
    *,
    level: str = "checkpoint",
    seed: int = 1,
    steps: int = 50,
    frameworks: Sequence[str] | None = None,
    device: str = "cpu",
    data_dir: Path | None = None,
    prepare: Prepare | None = None,
    watch: Watch | None = None,
) -> ParityReport:
    """Run every level up to ``level``; the first that fails ends the run.

    ``steps`` is the length of the training curve. ``prepare`` is called with every backend that is made, and
    ``watch`` with every result as it is found. A graph without a loss has only the levels up to ``forward``.
    Raises InputError for an unknown level.
    """
    if level not in LEVELS:
        raise InputError(f"no parity level {level!r}; there are: {', '.join(LEVELS)}")
    graph = spec.graph()
    require_parameters(graph)
    wanted = list(LEVELS[: [*LEVELS].index(level) + 1])
    notes: list[str] = []
    if not graph.loss_parts and len(wanted) > 2:
        wanted = wanted[:2]
        notes.append("the graph has no loss, so the levels after forward do not apply")
    chosen = tuple(frameworks or backends())
    if len(chosen) < 2:
        raise EnvironmentFault(f"parity needs two frameworks; there is {', '.join(chosen) or 'none'}")
    bench = Bench(spec, graph, chosen, seed, device, prepare)
    results: list[LevelResult] = []
    curves: dict[str, list[float]] = {}
    for name in wanted:
        for result in _run(name, bench, steps, data_dir, curves):
            results.append(result)
            if watch is not None:
                watch(result)
        if not all(result.passed for result in results):
            break
    return ParityReport(spec.name, tuple(results), tuple(notes), curves)


def _run(
    level: Level, bench: Bench, steps: int, data_dir: Path | None, curves: dict[str, list[float]]
) -> Iterator[LevelResult]:
    static_levels = {
        "parameters": static.parameters,
        "forward": static.forward,
        "loss": static.loss,
        "gradient": static.gradient,
        "step": dynamic.step,
    }
    if level in static_levels:
        yield from static_levels[level](bench)
        return
    bench.forget()
    dataset: Dataset = open_dataset(bench.spec, data_dir, "train")
    if level == "curve":
        for result, found in dynamic.curve(bench, dataset, steps):
            curves.update(found)
            yield result
    else:
        half = max(1, steps // 5)
        yield from dynamic.checkpoint(bench, dataset, half, half)
