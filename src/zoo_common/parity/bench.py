"""The frameworks side by side on one graph, in float64 and in what the spec computes in."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property

from zoo_common.backend import Array, Batch, TrainingModel, Weights, find_backend
from zoo_common.measured import defaults
from zoo_common.parity.compare import largest
from zoo_common.parity.results import Level
from zoo_common.parity.subject import Probes, Sizes, Subject, Turn, other_labels
from zoo_common.paths import concerns, fixed
from zoo_common.weights import InitialValues, as_source
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_spec.trained import Trained, trained
from zoo_spec.training import Training

Prepare = Callable[[TrainingModel], None]
"""Called with each model after it is made; a mutation patches it here."""


@dataclass
class Bench:
    """Makes models with the subject's weights when they are first asked for, and keeps what they gave."""

    spec: ExperimentSpec
    graph: Graph
    frameworks: Sequence[str]
    seed: int
    device: str = "cpu"
    prepare: Prepare | None = None
    given: Subject | None = None
    """What the frameworks are compared on; without it, probes drawn from the seed."""
    rows: Collection[str] | None = None
    """Which of the probes' rows: ``full``, ``padded``, ``packed``; all that the graph takes if left out."""
    dtypes: Collection[str] | None = None
    """What is held against float64 instead of what the spec computes in; float64 among them adds nothing."""
    _initial: dict[tuple[str, str], TrainingModel] = field(default_factory=dict)
    _made: dict[tuple[str, str], TrainingModel] = field(default_factory=dict)
    _outputs: dict[tuple[str, str], dict[str, Weights]] = field(default_factory=dict)
    _turned: dict[str, dict[str, Weights]] = field(default_factory=dict)

    @property
    def narrow(self) -> tuple[str, ...]:
        """The dtypes that are held against float64: float32, and bfloat16 if the spec computes in it."""
        if self.dtypes is not None:
            return tuple(dtype for dtype in self.dtypes if dtype != "float64")
        return ("float32", "bfloat16") if self.spec.training.precision == "bfloat16" else ("float32",)

    @cached_property
    def learned(self) -> Trained:
        """What the spec's training changes."""
        return trained(self.graph, self.spec.training)

    @cached_property
    def subject(self) -> Subject:
        """What the frameworks are compared on."""
        return self.given or Probes(self.graph, self.seed, self.rows)

    @property
    def weights(self) -> Weights:
        """The subject's weights, in float64."""
        return self.subject.weights

    @property
    def inputs(self) -> Mapping[str, Batch]:
        """The subject's batches by name."""
        return self.subject.batches

    def fresh(self, framework: str, dtype: str, weights: Mapping[str, Array] | None = None) -> TrainingModel:
        """A model of its own with these weights, or with the initial ones."""
        training = self.spec.training
        given = (
            InitialValues(self.graph.parameters(), training.seed) if weights is None else as_source(weights)
        )
        with defaults():  # What is compared does not depend on how fast a machine is; turns try every path.
            made = find_backend(framework)().for_training(
                self.graph, training, given, dtype=dtype, device=self.device
            )
        if self.prepare is not None:
            self.prepare(made)
            if weights is not None:
                made.set_weights(weights)  # By what was patched.
        return made

    def initial(self, framework: str, dtype: str) -> TrainingModel:
        """A model with initial weights, which ``backend`` gives with the subject's from its first call on."""
        key = (framework, dtype)
        if key not in self._initial:
            self._initial[key] = self.fresh(framework, dtype)
        return self._initial[key]

    def backend(self, framework: str, dtype: str) -> TrainingModel:
        """The model with the subject's weights."""
        key = (framework, dtype)
        if key not in self._made:
            made = self._initial.pop(key, None)
            if made is None:
                made = self.fresh(framework, dtype, self.weights)
            else:
                made.set_weights(self.weights)
            self._made[key] = made
        return self._made[key]

    def outputs(self, framework: str, dtype: str) -> dict[str, Weights]:
        """All outputs for each batch, as evaluation computes them."""
        key = (framework, dtype)
        if key not in self._outputs:
            backend = self.backend(framework, dtype)
            self._outputs[key] = {name: backend.evaluate_step(batch) for name, batch in self.inputs.items()}
        return self._outputs[key]

    def turned_outputs(self, framework: str) -> dict[str, Weights]:
        """All outputs in float64 for each of the subject's turns, the model called as a user does."""
        if framework not in self._turned:
            for each in self.frameworks:
                self.backend(each, "float64")  # What is not imported has no paths yet.
            backend = self.backend(framework, "float64")
            self._turned[framework] = {}
            found: dict[tuple[int, str | None], Weights] = {}
            for name, turn in self.subject.turns.items():
                key = (id(turn.batch), path_of(turn, backend))
                if key not in found:
                    with taking(turn.path):
                        found[key] = backend.call(turn.batch)
                self._turned[framework][name] = found[key]
        return self._turned[framework]

    def contrast(self, level: Level, batch: Batch) -> Sizes:
        """How large each tensor is for other labels than a batch's; nothing but at ``loss`` and ``gradient``.

        A difference is judged on that where it is larger than the tensor: a loss may be small, learned or by chance.
        """
        if level not in ("loss", "gradient"):
            return {}
        backend = self.backend(self.frameworks[-1], "float64")
        find = backend.gradients if level == "gradient" else backend.evaluate_step
        sizes = {name: largest(value) for name, value in find(other_labels(self.graph, batch)).items()}
        return {name: size for name, size in sizes.items() if math.isfinite(size)}

    def trained_as(self, training: Training) -> Bench:
        """The same for models of their own, with this training in the place of the spec's."""
        spec = self.spec.model_copy(update={"training": training})
        return replace(self, spec=spec, _initial={}, _made={}, _outputs={}, _turned={})

    def forget(self) -> None:
        """Let go of the models, for levels that make their own."""
        self._initial.clear()
        self._made.clear()
        self._outputs.clear()
        self._turned.clear()


def path_of(turn: Turn, model: TrainingModel) -> str | None:
    """The path that a turn fixes; None where this model knows no other."""
    return turn.path if turn.path is not None and concerns(turn.path, model) else None


def taking(path: str | None) -> AbstractContextManager[None]:
    """Fix this path while it lasts; None leaves the choice."""
    return nullcontext() if path is None else fixed(path)
