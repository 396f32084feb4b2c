"""What a task declares: what it needs of a backbone, what it adds, and which metrics it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.registry import Registered

MetricKind = Literal[
    "accuracy",
    "binary_accuracy",
    "binary_f1",
    "binary_iou",
    "correlation",
    "mean_dice",
    "mean_iou",
    "span_exact_match",
    "span_f1",
]

PredictionKind = Literal[
    "image_label",
    "masked_words",
    "next_words",
    "embeddings",
    "text_label",
    "text_labels",
    "text_number",
    "token_labels",
    "answer_span",
]


@dataclass(frozen=True)
class Metric:
    """A number that an evaluation reports, of the output ``logits`` against the input ``labels``.

    ``accuracy``: the share of labels that the logits rank first. ``binary_accuracy`` and ``binary_f1``: labels
    are 0 or 1, and a logit above 0 says 1. ``binary_iou``: of what is 1, by those and by the
    labels, the part that both share; ``mean_iou`` and ``mean_dice``: of each class, by ranking first, and their
    mean. ``correlation``: Pearson's. ``weights`` names the input that weights
    each label; None for all alike. ``zoo_common.metrics`` computes them.
    """

    name: str
    kind: MetricKind
    logits: str
    labels: str
    weights: str | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that it reads."""
        return (self.logits,)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs that it reads."""
        return (self.labels,) if self.weights is None else (self.labels, self.weights)


@dataclass(frozen=True)
class SpanMetric(Metric):
    """Of the best span by ``logits``, where it starts, and ``end_logits``, against the labelled one.

    In rows whose ``token_type_ids`` tell two texts apart, the best span stands in the second, or is no answer.

    ``span_exact_match``: the share of examples whose best span is the labelled one. ``span_f1``: the mean of
    F1 over the positions of both.
    """

    end_logits: str = ""
    end_labels: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Both logits."""
        return (self.logits, self.end_logits)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Both labels."""
        return (*super().inputs, self.end_labels)


@dataclass(frozen=True)
class Prediction:
    """What a task predicts: from what and in which form, and the outputs of the graph that answer.

    ``image_label``: images, for each its label and every label's probability. ``masked_words``: text with
    ``[MASK]``, for each mask the likeliest words. ``next_words``: text, the likeliest words to go on with.
    ``embeddings``: text, the vectors of its tokens, and of the whole where the graph pools. ``text_label``,
    ``text_labels``, ``text_number``: text, its class, its labels, a number. ``token_labels``: text, a class for each
    token. ``answer_span``: a question and a text, the part of it from the start to the end that two outputs rank.
    """

    kind: PredictionKind
    outputs: tuple[str, ...]


class Task(Registered):
    """A head, a loss and metrics, added to any backbone that has what it ``needs``."""

    role: ClassVar[str] = "task"
    shipped_in: ClassVar[str] = "zoo_spec.tasks"
    needs: ClassVar[tuple[str, ...]] = ()
    default_data: ClassVar[str] = "generated"
    reads_tokens: ClassVar[bool] = False
    """Whether ``hidden_states`` must be those of tokens, ``[batch, sequence, hidden]``."""
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
        self.attach(graph, backbone)

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
