"""Causal language modelling: each position predicts the next token."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import Rate
from zoo_spec.blocks.losses import SoftmaxCrossEntropy
from zoo_spec.blocks.tied_dense import TiedDense
from zoo_spec.data.records import Record, RunningText
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.models.inputs import TOKENS
from zoo_spec.tasks import predictions
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.direction import require_causal
from zoo_spec.tasks.metrics import Accuracy, BitsPerByte, Metric, Perplexity
from zoo_spec.tasks.predictions import Prediction
from zoo_spec.tensors import FLOAT32, INT, TensorSpec


class CausalLm(Task):
    """Output by the model's own head, or the embedding's table; labels are the next tokens.

    Their weight is 0 at the end of each example. A model in which positions see what comes after them is refused.
    """

    kind: Literal["causal_lm"] = "causal_lm"
    label_smoothing: Rate = 0.0
    """Probability spread evenly over the vocabulary."""
    needs: ClassVar[tuple[str, ...]] = ("hidden_states", "table")
    default_data: ClassVar[str] = "text"
    learns_from: ClassVar[tuple[type[Record], ...]] = (RunningText,)

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Outputs ``hidden_states``, ``logits`` and ``loss``."""
        assert backbone.hidden_states is not None
        assert backbone.table is not None
        head = TiedDense() if backbone.output is None else backbone.output
        table = (backbone.table,) if isinstance(head, TiedDense) else ()
        require_causal(graph, self.kind)
        logits = graph.add("lm_head", head, backbone.hidden_states, *table)
        following = TensorSpec(TOKENS, INT, optional=True, description="the token that comes next")
        counted = TensorSpec(TOKENS, FLOAT32, optional=True, description="0 where a label does not count")
        labels = graph.input("labels", following, label=True)
        weights = graph.input("label_weights", counted, label=True)
        loss = SoftmaxCrossEntropy(label_smoothing=self.label_smoothing)
        graph.output("hidden_states", backbone.hidden_states)
        graph.output("logits", logits)
        graph.loss(graph.add("causal_lm_loss", loss, logits, labels, weights=weights))

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy`` of the next token, ``perplexity``, and ``bits_per_byte`` of running text."""
        kinds = (Accuracy, Perplexity, BitsPerByte)
        return tuple(kind(kind.kind, "logits", "labels", "label_weights") for kind in kinds)

    def prediction(self) -> Prediction:
        """The likeliest words to go on with."""
        return predictions.NextWords(("logits",))
