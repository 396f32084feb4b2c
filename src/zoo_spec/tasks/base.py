"""What a task declares: what it needs of a backbone, what it adds, and which metrics it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from zoo_spec.data.records import Record
from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.models.base import Backbone
from zoo_spec.registry import Registered
from zoo_spec.tasks.metrics import Metric
from zoo_spec.tasks.predictions import Prediction


class Task(Registered):
    """A head, a loss and metrics, added to any backbone that has what it ``needs``."""

    role: ClassVar[str] = "task"
    shipped_in: ClassVar[str] = "zoo_spec.tasks"
    needs: ClassVar[tuple[str, ...]] = ()
    default_data: ClassVar[str] = "generated"
    reads_tokens: ClassVar[bool] = False
    """Whether ``hidden_states`` must be those of tokens, ``[batch, sequence, hidden]``."""
    learns_from: ClassVar[tuple[type[Record], ...]] = ()
    """The kinds of record that its examples are made of; whichever source of data gives one of them will do."""
    use: ClassVar[str] = ""
    """``downstream task`` for what people label; nothing where a model's use is its family's."""

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Add the head, labels, loss and outputs to ``graph``."""
        raise TypeError(f"{type(self).__name__} attaches nothing")

    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of an evaluation, beside the loss."""
        return ()

    def prediction(self) -> Prediction | None:
        """What it predicts from a user's own input; None if that is nothing but the graph's outputs."""
        return None

    def fit(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Attach the task; raises SpecError, naming what is missing, if the backbone does not give it."""
        missing = [need for need in self.needs if getattr(backbone, need) is None]
        if missing:
            kind = self.kind
            raise SpecError(
                Problem(
                    f"{kind} needs {' and '.join(missing)}, which {graph.name} does not give{graph.whose}; "
                    "choose another task, or another model",
                    "task.kind",
                )
            )
        self._check_tokens(graph, backbone)
        body = set(graph.nodes)
        self.attach(graph, _noting(graph, backbone, body))
        graph.head = set(graph.nodes) - body

    def _check_tokens(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Raise SpecError if the task reads tokens' hidden states and these are of something else."""
        if not self.reads_tokens or backbone.hidden_states is None:
            return
        spec = graph.resolve(backbone.hidden_states)
        if spec.shape[:2] != ("batch", "sequence"):
            kind = self.kind
            message = (
                f"{kind} needs the hidden states of tokens, [batch, sequence, hidden]; those of {graph.name} "
                f"are {spec}{graph.whose}; choose another task, or another model"
            )
            raise SpecError(Problem(message, "task.kind"))


def _noting(graph: GraphBuilder, backbone: Backbone, body: set[str]) -> Backbone:
    """The same backbone; the nodes that it makes when a task asks for them are added to ``body``."""

    def noting(make: Callable[[], Ref] | None) -> Callable[[], Ref] | None:
        def made() -> Ref:
            assert make is not None
            before = set(graph.nodes)
            ref = make()
            body.update(set(graph.nodes) - before)
            return ref

        return None if make is None else made

    return replace(
        backbone,
        decoder_states=noting(backbone.decoder_states),
        pooled=noting(backbone.pooled),
        features=noting(backbone.features),
    )
