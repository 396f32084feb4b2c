"""Causal language modelling: each position predicts the next token."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import Rate
from zoo_spec.blocks.losses import SoftmaxCrossEntropy
from zoo_spec.blocks.tied_dense import TiedDense
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.models.inputs import TOKENS
from zoo_spec.tasks.base import Metric, Prediction, Task
from zoo_spec.tensors import FLOAT32, INT, TensorSpec


class CausalLm(Task):
    """Output by the embedding's table; labels are the next tokens, weight 0 at the end of each example."""

    kind: Literal["causal_lm"] = "causal_lm"
    label_smoothing: Rate = 0.0
    """Probability spread evenly over the vocabulary."""
    needs: ClassVar[tuple[str, ...]] = ("hidden_states", "table")
    default_data: ClassVar[str] = "text"

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Outputs ``hidden_states``, ``logits`` and ``loss``."""
        assert backbone.hidden_states is not None
        assert backbone.table is not None
        logits = graph.add("lm_head", TiedDense(), backbone.hidden_states, backbone.table)
        labels = graph.input("labels", TensorSpec(TOKENS, INT, optional=True), label=True)
        weights = graph.input("label_weights", TensorSpec(TOKENS, FLOAT32, optional=True), label=True)
        loss = SoftmaxCrossEntropy(label_smoothing=self.label_smoothing)
        graph.output("hidden_states", backbone.hidden_states)
        graph.output("logits", logits)
        graph.loss(graph.add("causal_lm_loss", loss, logits, labels, weights=weights))

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy`` of the next token."""
        return (Metric("accuracy", "accuracy", "logits", "labels", "label_weights"),)

    def prediction(self) -> Prediction:
        """The likeliest words to go on with."""
        return Prediction("next_words", "logits")
