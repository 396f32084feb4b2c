"""Extractive summarisation: which sentences make the summary (BERTSUM; Liu, 2019, with a linear classifier)."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.blocks.gather import Gather
from zoo_spec.blocks.heads import ScoreHead
from zoo_spec.blocks.losses import SigmoidCrossEntropy
from zoo_spec.data.records import Record, SummarizedText
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.tasks import predictions
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.metrics import BinaryAccuracy, BinaryF1, Metric
from zoo_spec.tasks.predictions import Prediction
from zoo_spec.tasks.text_metrics import ChosenSentences
from zoo_spec.tensors import FLOAT32, INT, TensorSpec

SENTENCES = ("batch", "sentences")


class ExtractiveSummarization(Task):
    """A logit for each sentence, from the hidden state of the ``[CLS]`` in front of it (2.2 and 2.3.1)."""

    kind: Literal["extractive_summarization"] = "extractive_summarization"
    needs: ClassVar[tuple[str, ...]] = ("hidden_states",)
    reads_tokens: ClassVar[bool] = True
    learns_from: ClassVar[tuple[type[Record], ...]] = (SummarizedText,)
    use: ClassVar[str] = "downstream task"

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """``sentences``, ``classifier``; outputs ``hidden_states``, ``logits [batch, sentences]``, ``loss``."""
        assert backbone.hidden_states is not None
        limit = graph.bounds["sequence"].maximum if "sequence" in graph.bounds else None
        positions = TensorSpec(SENTENCES, INT, optional=True, description="where each sentence's [CLS] is")
        labels = TensorSpec(SENTENCES, INT, optional=True, description="1 if it is in the summary, else 0")
        weights = TensorSpec(SENTENCES, FLOAT32, optional=True, description="0 where a position is unused")
        most = {} if limit is None else {"sentences": limit}
        given = graph.input("sentence_positions", positions, bounds=most)
        gathered = graph.add("sentences", Gather(), backbone.hidden_states, given)
        logits = graph.add("classifier", ScoreHead(initializer=backbone.initializer), gathered)
        graph.output("hidden_states", backbone.hidden_states)
        graph.output("logits", logits)
        graph.loss(
            graph.add(
                "classification_loss",
                SigmoidCrossEntropy(),
                logits,
                graph.input("labels", labels, label=True),
                weights=graph.input("label_weights", weights, label=True),
            )
        )

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy`` over sentences, ``f1`` of those in the summary, and ROUGE of the three best."""
        return (
            BinaryAccuracy("accuracy", "logits", "labels", "label_weights"),
            BinaryF1("f1", "logits", "labels", "label_weights"),
            ChosenSentences("chosen", "logits"),
        )

    def prediction(self) -> Prediction:
        """The sentences that make the summary of a text."""
        return predictions.ChosenSentences(("logits",))
