"""All levels, one after the other, for a spec."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from zoo_common.data import Dataset, open_dataset
from zoo_common.memory import available_bytes
from zoo_common.parity import dynamic, static
from zoo_common.parity.bench import Bench, Prepare
from zoo_common.parity.results import LEVELS, Level, LevelResult, ParityReport
from zoo_common.parity.step import step
from zoo_common.parity.trained import open_trained
from zoo_common.training.loop import require_parameters
from zoo_common.training.origin import Accepted
from zoo_common.units import bytes_text
from zoo_spec.cost import BYTES
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import compared, two_of
from zoo_spec.graph import Graph

DTYPES = ("float64", "float32", "bfloat16")

Watch = Callable[[LevelResult], None]

_STATIC: dict[Level, Callable[[Bench], Iterator[LevelResult]]] = {
    "parameters": static.parameters,
    "forward": static.forward,
    "loss": static.loss,
    "gradient": static.gradient,
}
_WITHOUT_DATA = {**_STATIC, "step": step}


def run_parity(
    spec: ExperimentSpec,
    *,
    level: str = "checkpoint",
    seed: int = 1,
    steps: int = 50,
    frameworks: Sequence[str] | None = None,
    device: str = "cpu",
    data_dir: Path | None = None,
    rows: Collection[str] | None = None,
    dtypes: Collection[str] | None = None,
    prepare: Prepare | None = None,
    watch: Watch | None = None,
) -> ParityReport:
    """Run every level up to ``level``; the first that fails ends the run.

    ``steps`` is the length of the training curve. ``rows`` (``full``, ``padded``, ``packed``) are those of the
    levels up to ``gradient``, all that the model takes if left out; ``dtypes`` (``float64``, ``float32``,
    ``bfloat16``) are held against float64 instead of what the spec computes in. ``prepare`` is called with every
    backend that is made, and ``watch`` with every result as it is found. A graph without a loss has only the
    levels up to ``forward``. Raises InputError for an unknown level or dtype, a curve of less than two steps, and
    rows that the model does not take; EnvironmentFault where the weights alone do not fit into memory.
    """
    wanted = _levels(level)
    if steps < 2:
        raise InputError(f"{steps} is no curve; give 2 steps or more")
    strange = sorted(set(dtypes or ()) - set(DTYPES))
    if strange:
        raise InputError(f"no dtype {strange[0]!r} of parity; there are: {', '.join(DTYPES)}")
    graph = spec.graph()
    require_parameters(graph)
    _require_room(graph)
    notes: list[str] = []
    if not graph.loss_parts and len(wanted) > 2:
        wanted = wanted[:2]
        notes.append("the graph has no loss, so the levels after forward do not apply")
    chosen = two_of(frameworks or sorted(compared()))
    bench = Bench(spec, graph, chosen, seed, device, prepare, rows=rows, dtypes=dtypes)
    curves: dict[str, list[float]] = {}
    results = _until_failure((_run(name, bench, steps, data_dir, curves) for name in wanted), watch)
    return ParityReport(spec.name, results, tuple(notes), curves)


def run_trained_parity(
    run_dir: Path,
    *,
    level: str = "gradient",
    batches: int = 2,
    seed: int = 1,
    frameworks: Sequence[str] | None = None,
    device: str = "cpu",
    prepare: Prepare | None = None,
    watch: Watch | None = None,
    accept: Collection[Accepted] = (),
) -> ParityReport:
    """As ``run_parity``, with a run's newest weights and ``batches`` batches of its own evaluation data.

    The levels end with ``gradient``; ``parameters`` is here that both frameworks hold the checkpoint's weights,
    bit for bit. ``accept`` may name ``data``: that the run was trained on another.

    The directory is only read, also while the run trains. Raises InputError for a level beyond, and
    errors as ``open_trained``.
    """
    wanted = _levels(level)
    if wanted[-1] not in _STATIC:
        raise InputError(
            f"the level {level!r} trains weights of its own, so it goes with --spec; "
            f"a run has the levels {', '.join(_STATIC)}"
        )
    chosen = two_of(frameworks or sorted(compared()))
    trained = open_trained(run_dir, chosen, batches, accept=accept)
    if not trained.has_loss and len(wanted) > 2:
        wanted = wanted[:2]
        trained.notes.append("the model has no loss, or the data no labels for it: forward is the last level")
    bench = Bench(trained.spec, trained.graph, chosen, seed, device, prepare, given=trained)
    levels = {**_STATIC, "parameters": static.loaded}
    results = _until_failure((levels[name](bench) for name in wanted), watch)
    return ParityReport(trained.spec.name, results, tuple(trained.notes), source=trained.source)


def _require_room(graph: Graph) -> None:
    """Raise EnvironmentFault if the drawn weights and two models of them in float64 do not fit."""
    needed, room = 3 * BYTES["float64"] * graph.value_count, available_bytes()
    if needed > room:
        raise EnvironmentFault(
            f"parity of {graph.name} does not fit into memory: its weights in both frameworks and float64 need "
            f"{bytes_text(needed)}, and {bytes_text(room)} are available; free some, take a machine with more, or "
            "try the architecture at a small size: zoo parity --spec S --small"
        )


def _levels(last: str) -> list[Level]:
    """All levels up to this one."""
    if last not in LEVELS:
        raise InputError(f"no parity level {last!r}; there are: {', '.join(LEVELS)}")
    return list(LEVELS[: [*LEVELS].index(last) + 1])


def _until_failure(levels: Iterable[Iterator[LevelResult]], watch: Watch | None) -> tuple[LevelResult, ...]:
    """The results level by level; the first level that fails is the last."""
    results: list[LevelResult] = []
    for level in levels:
        for result in level:
            results.append(result)
            if watch is not None:
                watch(result)
        if not all(result.passed for result in results):
            break
    return tuple(results)


def _run(
    level: Level, bench: Bench, steps: int, data_dir: Path | None, curves: dict[str, list[float]]
) -> Iterator[LevelResult]:
    if level in _WITHOUT_DATA:
        yield from _WITHOUT_DATA[level](bench)
        return
    bench.forget()
    dataset: Dataset = open_dataset(bench.spec, data_dir, "train")
    if level == "curve":
        for result, found in dynamic.curve(bench, dataset, steps):
            for framework, losses in found.items():
                curves.setdefault(framework, losses)
            yield result
    else:
        half = max(1, steps // 5)
        yield from dynamic.checkpoint(bench, dataset, half, half)
