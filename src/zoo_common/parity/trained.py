"""A run's newest weights and its own evaluation data, for parity on what a user trained or imported.

It is only read, so that a run can be looked at while it trains.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zoo_common.backend import Array, Batch, Weights, find_backend
from zoo_common.data import Dataset, open_dataset
from zoo_common.data.base import stack
from zoo_common.data.generated import open_generated
from zoo_common.memory import available_bytes, step_sizes
from zoo_common.parity import tolerances
from zoo_common.parity.compare import largest
from zoo_common.parity.results import Source
from zoo_common.parity.subject import Sizes, Turn
from zoo_common.training.origin import Accepted, Origin
from zoo_common.training.spec_run import reopen
from zoo_common.training.taking_over import not_finite
from zoo_common.units import bytes_text
from zoo_spec.data import GeneratedData
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import overhead_of
from zoo_spec.graph import Graph
from zoo_spec.graph.loss_parts import inputs_needed

_MOST_ACTIVATIONS = 512 << 20
"""Bytes of activations in float64 that a batch may have: three rows of BERT-base at 128 tokens."""
_SHOWN = 5
_OWN, _DRAWN = "evaluation data", "drawn inputs"


@dataclass
class Trained:
    """Weights that were learned, and examples as the data has them.

    They may leave much untested through no fault of either framework: rows of a table that no example reads,
    units that are off, an output that was learned to be small. That is noted, and fails nothing unless
    everything is zero.
    """

    spec: ExperimentSpec
    graph: Graph
    source: Source
    weights: Weights
    batches: Mapping[str, Batch]
    notes: list[str] = field(default_factory=list)

    @property
    def has_loss(self) -> bool:
        """Whether the model has a loss, and the data all its labels."""
        graph, given = self.graph, next(iter(self.batches.values()))
        needed = inputs_needed(graph.inputs, graph.nodes, graph.loss_parts)  # Weights may be left out.
        return bool(graph.loss_parts) and needed <= set(given)

    @property
    def turns(self) -> Mapping[str, Turn]:
        """None: a run is judged on what it meets."""
        return {}

    def doubt_outputs(self, outputs: Mapping[str, Weights], judged: Collection[str]) -> str:
        """Notes outputs that say little; a doubt only if all of them are zero."""
        sizes = {name: max(largest(found[name]) for found in outputs.values()) for name in judged}
        if not any(sizes.values()):
            return f"{', '.join(judged)}: all zero, so agreement on it would prove nothing"
        for name, size in sizes.items():
            if size < tolerances.SMALLEST_SCALE:
                self._note(f"{name} is at most {size:.1e} on these batches: agreement on it says little")
            elif all(_has_equal_rows(found[name]) for found in outputs.values()):
                self._note(f"{name} is the same for all rows of a batch: agreement on it says little")
        missing = sorted(set(self.graph.outputs) - set().union(*outputs.values()))
        if missing:
            self._note(f"not judged, for the data has not what they need: {', '.join(missing)}")
        return ""

    def doubt_gradients(
        self, gradients: Mapping[str, Weights], sizes: Mapping[str, Mapping[str, Sizes]]
    ) -> str:
        """Notes how many values have a gradient; a doubt only if none has."""
        reference = next(iter(sizes.values()))
        top = max(max(found.values()) for found in reference.values())
        if top == 0:
            return "no parameter has a gradient on these batches, so agreement on it would prove nothing"
        if top < tolerances.SMALLEST_SCALE:
            self._note(f"no gradient is above {top:.1e} on these batches: agreement on it says little")
        parameters = list(next(iter(reference.values())))
        silent = [name for name in parameters if not any(found[name] for found in reference.values())]
        if silent:
            more = ", …" if len(silent) > _SHOWN else ""
            self._note(
                f"{len(silent)} of {len(parameters)} parameters have no gradient on these batches, so nothing is "
                f"said of it: {', '.join(silent[:_SHOWN])}{more}"
            )
        count = sum(value.size for value in next(iter(gradients.values())).values())
        reached = sum(
            int(np.count_nonzero(np.any([found[name] != 0 for found in gradients.values()], axis=0)))
            for name in parameters
        )
        if reached < count:
            self._note(
                f"{reached:,} of {count:,} weights ({reached / count:.1%}) have a gradient on these batches; the "
                "others are of table rows that no example reads, of units that are off, or of inputs that are zero"
            )
        return ""

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _has_equal_rows(value: Array) -> bool:
    return value.ndim > 0 and value.shape[0] > 1 and bool((value == value[:1]).all())


def open_trained(
    run_dir: Path, frameworks: Sequence[str], number: int, *, accept: Collection[Accepted] = ()
) -> Trained:
    """The run that a directory holds, with ``number`` batches spread over its evaluation data.

    A batch has the rows of a micro-batch, or fewer where the model is large or the data small. ``frameworks``
    are those that will be compared. Raises InputError if there is no run of a spec, no checkpoint yet, one that is
    damaged or does not fit ``spec.yaml``, or data that will not do (for published weights that nobody trained yet,
    inputs are drawn then); EnvironmentFault if memory is short.
    """
    run = reopen(find_backend(frameworks[0])(), run_dir, accept=accept)
    learner, store = run.learner, run.storage.store
    spec, graph = learner.spec, learner.graph
    checkpoint = store.latest_weights()
    if checkpoint is None:
        raise InputError(
            f"{run_dir}: has no checkpoint yet; train first, or give --spec for parity on probes"
        )
    run.require_own(checkpoint)
    weights: Weights = {name: np.asarray(value, np.float64) for name, value in checkpoint.weights().items()}
    for name in not_finite(weights):
        raise InputError(f"{checkpoint.path}: {name} holds NaN or infinity; there is nothing to compare")
    learner.require_data()
    dataset, said = _examples(spec, graph, run_dir)
    number = min(number, len(dataset))
    rows = _rows(spec, graph)
    _require_room(spec, graph, frameworks, rows, number)
    batches = _batches(dataset, rows, number)
    source = Source(
        str(run_dir), checkpoint.step, str(checkpoint.path), tuple(batches), _DRAWN if said else _OWN
    )
    found = Trained(spec, graph, source, weights, batches, [*said, *_untried(graph, batches)])
    if checkpoint.spec_hash != spec.fingerprint():
        found.notes.append(
            f"{run_dir / 'spec.yaml'} was changed since this checkpoint was saved (training.steps was raised, or "
            "somebody edited it); it is judged as it stands"
        )
    return found


def _examples(spec: ExperimentSpec, graph: Graph, run_dir: Path) -> tuple[Dataset, list[str]]:
    """The run's evaluation data; of published weights that nobody trained on here, drawn inputs where it has none.

    On what such a run learns is still open: its spec has the data that its task has by default, labels seldom.
    """
    origin = Origin.read(run_dir)
    try:
        return open_dataset(spec, run_dir, "eval", graph), []
    except InputError as error:
        if origin is None or not origin.is_untrained:
            raise
        drawn = open_generated(GeneratedData(), graph, seed=spec.training.seed, split="eval")
        return drawn, [f"inputs are drawn, for the run has no data yet: {error}"]


def _rows(spec: ExperimentSpec, graph: Graph) -> int:
    """Rows of a batch: the micro-batch's, or as many as have not too many activations."""
    wanted = spec.training.micro_batch_size or spec.training.batch_size
    activations = _cost_bytes(spec, graph, 1)["activations"]
    return max(1, min(wanted, _MOST_ACTIVATIONS // max(1, activations)))


def _cost_bytes(spec: ExperimentSpec, graph: Graph, rows: int) -> Mapping[str, int]:
    sizes = step_sizes(spec, graph, batch=rows)
    return graph.cost(
        precision="float64", recompute=spec.training.recompute, frozen=(), whole_logits=True, **sizes
    ).bytes


def _require_room(
    spec: ExperimentSpec, graph: Graph, frameworks: Sequence[str], rows: int, number: int
) -> None:
    overheads = [overhead_of(framework) for framework in frameworks]
    parts = _cost_bytes(spec, graph, rows)
    narrow = 2 if spec.training.precision == "bfloat16" else 1
    needed = round(
        # The weights themselves, two models in float64, two in each other dtype, two sets of changed weights.
        (1 + 2 + narrow + 2) * parts["weights"]
        # The reference's gradients of each batch, and those held against them.
        + (number + 2) * parts["gradients"]
        + (1 + max(each.working for each in overheads)) * (parts["activations"] + parts["recomputed"])
        + sum(each.library for each in overheads)
    )
    room = available_bytes()
    if needed > room:
        raise EnvironmentFault(
            f"parity of {spec.name} does not fit into memory: both frameworks in float64 need "
            f"{bytes_text(needed)}, and {bytes_text(room)} are available; free some, take a machine with more, or "
            "try the architecture at a small size: zoo parity --spec S --small"
        )


def _untried(graph: Graph, batches: Mapping[str, Batch]) -> list[str]:
    """Notes what of the model these batches leave out: padding, say, where every row is full."""
    given = {name: [batch[name] for batch in batches.values()] for name in next(iter(batches.values()))}
    same = [
        f"{name} is always {values[0].flat[0]:g}"
        for name, values in given.items()
        if values[0].size and all((value == values[0].flat[0]).all() for value in values)
    ]
    absent = [f"{name} is not given" for name in graph.inputs if name not in given]
    return [f"not tried by these batches: {', '.join([*same, *absent])}"] if same or absent else []


def _named(start: int, rows: int) -> str:
    return f"examples {start} to {start + rows - 1}" if rows > 1 else f"example {start}"


def _batches(dataset: Dataset, rows: int, number: int) -> dict[str, Batch]:
    """``number`` batches by what is in them, from places spread evenly over the examples."""
    stride = len(dataset) // number
    rows = min(rows, stride)
    return {
        _named(start, rows): stack(
            dataset.examples([(0, index) for index in range(start, start + rows)]), dataset.padding()
        )
        for start in range(0, number * stride, stride)
    }
