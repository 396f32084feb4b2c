"""Masked language modelling, with and without next-sentence prediction (Devlin et al., 2019, 3.1)."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import NonNegativeFloat, Rate
from zoo_spec.blocks.heads import ClassifierHead, MaskedLmHead
from zoo_spec.blocks.losses import SoftmaxCrossEntropy, SumLosses
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.models.base import Backbone
from zoo_spec.tasks.base import Metric, Prediction, Task
from zoo_spec.tensors import FLOAT32, INT, TensorSpec

PREDICTIONS = ("batch", "predictions")


class MaskedLm(Task):
    """Predicts the masked tokens; the output table is the embedding's."""

    kind: Literal["masked_lm"] = "masked_lm"
    label_smoothing: Rate = 0.0
    """Probability spread evenly over the vocabulary."""
    needs: ClassVar[tuple[str, ...]] = ("hidden_states", "table", "norm", "activation")
    default_data: ClassVar[str] = "text"

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Outputs ``hidden_states``, ``masked_logits`` and ``loss``."""
        graph.loss(self._masked_lm(graph, backbone))

    def metrics(self) -> tuple[Metric, ...]:
        """``masked_lm_accuracy``."""
        return (Metric("masked_lm_accuracy", "accuracy", "masked_logits", "masked_ids", "masked_weights"),)

    def prediction(self) -> Prediction:
        """Words for each ``[MASK]``."""
        return Prediction("masked_words", "masked_logits")

    def _masked_lm(self, graph: GraphBuilder, backbone: Backbone) -> Ref:
        assert backbone.hidden_states is not None
        assert backbone.table is not None
        assert backbone.norm is not None
        assert backbone.activation is not None
        positions = TensorSpec(PREDICTIONS, INT, optional=True, description="which positions are masked")
        ids = TensorSpec(PREDICTIONS, INT, optional=True, description="the tokens that stood there")
        weights = TensorSpec(PREDICTIONS, FLOAT32, optional=True, description="0 where a slot is unused")
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


class MaskedLmNextSentence(MaskedLm):
    """BERT's pre-training task: masked tokens, and whether sentence B follows sentence A."""

    kind: Literal["masked_lm_next_sentence"] = "masked_lm_next_sentence"  # type: ignore[assignment]
    next_sentence_factor: NonNegativeFloat = 1.0
    """Factor of the next-sentence loss in the sum."""
    needs: ClassVar[tuple[str, ...]] = ("hidden_states", "table", "norm", "activation", "pooled")

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Outputs also ``pooled`` and ``next_sentence_logits``."""
        assert backbone.pooled is not None
        masked_lm = self._masked_lm(graph, backbone)
        pooled = backbone.pooled()
        head = ClassifierHead(classes=2, initializer=backbone.initializer)
        logits = graph.add("next_sentence", head, pooled)
        labels = TensorSpec(("batch",), INT, optional=True, description="0 if B follows A, 1 if it is random")
        next_sentence = graph.add(
            "next_sentence_loss",
            SoftmaxCrossEntropy(),
            logits,
            graph.input("next_sentence_labels", labels, label=True),
        )
        graph.output("pooled", pooled)
        graph.output("next_sentence_logits", logits)
        total = SumLosses(weights=(1.0, self.next_sentence_factor))
        graph.loss(graph.add("loss", total, masked_lm, next_sentence))

    def metrics(self) -> tuple[Metric, ...]:
        """``masked_lm_accuracy`` and ``next_sentence_accuracy``."""
        return (
            *super().metrics(),
            Metric("next_sentence_accuracy", "accuracy", "next_sentence_logits", "next_sentence_labels"),
        )
