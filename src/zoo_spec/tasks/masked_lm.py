"""Masked language modelling (Devlin et al., 2019, 3.1), alone and with a task on pairs of segments."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import NonNegativeFloat, Rate
from zoo_spec.blocks.heads import ClassifierHead, MaskedLmHead
from zoo_spec.blocks.losses import SoftmaxCrossEntropy, SumLosses
from zoo_spec.data.records import Record, RunningText
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.models.base import Backbone
from zoo_spec.tasks import predictions
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.direction import require_both_sides
from zoo_spec.tasks.metrics import Accuracy, Metric, Perplexity
from zoo_spec.tasks.predictions import Prediction
from zoo_spec.tensors import FLOAT32, INT, TensorSpec

PREDICTIONS = ("batch", "predictions")


class MaskedTokens(Task):
    """What all of these tasks do: predict the masked tokens; the output table is the embedding's."""

    label_smoothing: Rate = 0.0
    """Probability spread evenly over the vocabulary."""
    needs: ClassVar[tuple[str, ...]] = ("hidden_states", "table", "norm", "activation")
    default_data: ClassVar[str] = "text"
    learns_from: ClassVar[tuple[type[Record], ...]] = (RunningText,)

    def metrics(self) -> tuple[Metric, ...]:
        """``masked_lm_accuracy`` and ``masked_lm_perplexity``."""
        kinds = (Accuracy, Perplexity)
        named = {kind: f"masked_lm_{kind.kind}" for kind in kinds}
        return tuple(
            kind(name, "masked_logits", "masked_ids", "masked_weights") for kind, name in named.items()
        )

    def prediction(self) -> Prediction:
        """Words for each ``[MASK]``."""
        return predictions.MaskedWords(("masked_logits",))

    def _masked_lm(self, graph: GraphBuilder, backbone: Backbone) -> Ref:
        assert backbone.hidden_states is not None
        assert backbone.table is not None
        assert backbone.norm is not None
        assert backbone.activation is not None
        require_both_sides(graph, backbone, self.kind)
        positions = TensorSpec(PREDICTIONS, INT, optional=True, description="which positions are masked")
        ids = TensorSpec(PREDICTIONS, INT, optional=True, description="the tokens that stood there")
        weights = TensorSpec(PREDICTIONS, FLOAT32, optional=True, description="0 where a position is unused")
        limit = graph.bounds["sequence"].maximum
        most = {} if limit is None else {"predictions": limit}
        masked_positions = graph.input("masked_positions", positions, bounds=most)
        head = MaskedLmHead(
            activation=backbone.activation, norm=backbone.norm, initializer=backbone.initializer
        )
        logits = graph.add("masked_lm", head, backbone.hidden_states, backbone.table, masked_positions)
        graph.output("hidden_states", backbone.hidden_states)
        graph.output("masked_logits", logits)
        return graph.add(
            "masked_lm_loss",
            SoftmaxCrossEntropy(label_smoothing=self.label_smoothing),
            logits,
            graph.input("masked_ids", ids, label=True),
            weights=graph.input("masked_weights", weights, label=True),
        )


class MaskedLm(MaskedTokens):
    """Predicts the masked tokens."""

    kind: Literal["masked_lm"] = "masked_lm"

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Outputs ``hidden_states``, ``masked_logits`` and ``loss``."""
        graph.loss(self._masked_lm(graph, backbone))


class MaskedLmSentences(MaskedTokens):
    """Masked tokens, and a class of the pair of segments that an example is made of, from the pooled first token.

    ``name`` is what the head, its labels and its logits are called by; ``classes`` says what each label means.
    """

    name: ClassVar[str]
    classes: ClassVar[tuple[str, ...]]
    needs: ClassVar[tuple[str, ...]] = ("hidden_states", "table", "norm", "activation", "pooled")

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Outputs also ``pooled`` and ``<name>_logits``."""
        assert backbone.pooled is not None
        masked_lm = self._masked_lm(graph, backbone)
        pooled = backbone.pooled()
        head = ClassifierHead(classes=len(self.classes), initializer=backbone.initializer)
        logits = graph.add(self.name, head, pooled)
        meaning = ", ".join(f"{label} if {what}" for label, what in enumerate(self.classes))
        labels = TensorSpec(("batch",), INT, optional=True, description=meaning)
        weights = TensorSpec(
            ("batch",), FLOAT32, optional=True, description="0 where a packed row has no example"
        )
        loss = graph.add(
            f"{self.name}_loss",
            SoftmaxCrossEntropy(),
            logits,
            graph.input(f"{self.name}_labels", labels, label=True),
            weights=graph.input(f"{self.name}_weights", weights, label=True),
        )
        graph.output("pooled", pooled)
        graph.output(f"{self.name}_logits", logits)
        graph.loss(graph.add("loss", SumLosses(weights=(1.0, self.factor)), masked_lm, loss))

    @property
    def factor(self) -> float:
        """Factor of the sentences' loss in the sum."""
        return float(getattr(self, f"{self.name}_factor"))

    def metrics(self) -> tuple[Metric, ...]:
        """Those of the masked tokens, and ``<name>_accuracy``."""
        name = self.name
        return (
            *super().metrics(),
            Accuracy(f"{name}_accuracy", f"{name}_logits", f"{name}_labels", f"{name}_weights"),
        )


class MaskedLmNextSentence(MaskedLmSentences):
    """BERT's pre-training task: masked tokens, and whether sentence B follows sentence A."""

    kind: Literal["masked_lm_next_sentence"] = "masked_lm_next_sentence"
    name: ClassVar[str] = "next_sentence"
    classes: ClassVar[tuple[str, ...]] = ("B follows A", "it is random")
    next_sentence_factor: NonNegativeFloat = 1.0
    """Factor of the next-sentence loss in the sum."""


class MaskedLmSentenceOrder(MaskedLmSentences):
    """Masked tokens, and whether two consecutive segments stand in their order (Lan et al., 2020, ALBERT, 3.1).

    ERNIE 2.0's sentence reordering (Sun et al., 2020, 4.2.2) for two segments.
    """

    kind: Literal["masked_lm_sentence_order"] = "masked_lm_sentence_order"
    name: ClassVar[str] = "sentence_order"
    classes: ClassVar[tuple[str, ...]] = ("A comes before B", "B comes before A")
    sentence_order_factor: NonNegativeFloat = 1.0
    """Factor of the sentence-order loss in the sum."""


class MaskedLmSentenceDistance(MaskedLmSentences):
    """Masked tokens, and how far apart two segments stand (Sun et al., 2020, ERNIE 2.0, 4.2.2)."""

    kind: Literal["masked_lm_sentence_distance"] = "masked_lm_sentence_distance"
    name: ClassVar[str] = "sentence_distance"
    classes: ClassVar[tuple[str, ...]] = (
        "B follows A",
        "B stands elsewhere in A's document",
        "B is of another document",
    )
    sentence_distance_factor: NonNegativeFloat = 1.0
    """Factor of the sentence-distance loss in the sum."""
