"""What a task declares: what it needs of a backbone, what it adds, and which metrics it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.registry import Registered


@dataclass(frozen=True)
class Metric:
    """A number that an evaluation reports: the share of ``labels`` that ``logits`` rank first.

    ``weights`` names the input that weights each label; None for all alike.
    """

    name: str
    kind: Literal["accuracy"]
    logits: str
    labels: str
    weights: str | None = None


@dataclass(frozen=True)
class Prediction:
    """What a task predicts: from what and in which form, and the output of the graph that answers.

    ``image_label``: images, for each its label and every label's probability. ``masked_words``: text with
    ``[MASK]``, for each mask the likeliest words. ``next_words``: text, the likeliest words to go on with.
    """

    kind: Literal["image_label", "masked_words", "next_words"]
    output: str


class Task(Registered):
    """A head, a loss and metrics, added to any backbone that has what it ``needs``."""

    role: ClassVar[str] = "task"
    needs: ClassVar[tuple[str, ...]] = ()
    default_data: ClassVar[str] = "generated"

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
            kind = getattr(self, "kind", "")
            raise SpecError(
                Problem(
                    f"{kind} needs {' and '.join(missing)}, which {graph.name} does not give; "
                    "choose another task, or another model",
                    "task.kind",
                )
            )
        self.attach(graph, backbone)
