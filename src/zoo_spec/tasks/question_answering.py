"""Extractive question answering: where the answer starts and ends (Devlin et al., 2019, 4.2 and 4.3)."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.heads import SpanHead
from zoo_spec.blocks.losses import PositionCrossEntropy, SumLosses
from zoo_spec.data.records import Question, Record
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.models.base import Backbone
from zoo_spec.tasks import predictions
from zoo_spec.tasks.answer_rules import AnswerRules, SquadMetric
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.metrics import Metric, SpanExactMatch, SpanF1
from zoo_spec.tasks.predictions import Prediction
from zoo_spec.tensors import FLOAT32, INT, TensorSpec

_LOGITS = ("start_logits", "end_logits")
_SPANS = ("start_logits", "start_positions", "answer_weights", "end_logits", "end_positions")
"""The outputs and labels of both ends, and the weights that both have."""


class QuestionAnswering(Task):
    """A dense layer to two logits a token; the loss is the mean of start's and end's cross-entropy.

    A text without an answer has both at position 0, the first special token. The softmax runs over real tokens
    alone, so a loss does not depend on how much padding a row has; the paper's code and ``transformers`` run it
    over padding too, whose logits training must then push down. The logits themselves are as theirs.
    """

    kind: Literal["question_answering"] = "question_answering"
    needs: ClassVar[tuple[str, ...]] = ("hidden_states",)
    reads_tokens: ClassVar[bool] = True
    use: ClassVar[str] = "downstream task"
    default_data: ClassVar[str] = "cldr_questions"
    learns_from: ClassVar[tuple[type[Record], ...]] = (Question,)
    n_best: PositiveInt = 20
    """How many of a window's likeliest first and last tokens answers are made of, and how many answers are kept."""
    longest_answer: PositiveInt = 30
    """Tokens of an answer at most."""
    no_answer_threshold: float | None = None
    """By how much the first token's two logits may exceed those of the best answer before a question is left without
    one; 0 in google-research/bert for SQuAD 2.0. Without it every question gets an answer, as in SQuAD 1.1."""

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Outputs ``hidden_states``, ``start_logits`` and ``end_logits``, ``[batch, sequence]``, and ``loss``."""
        assert backbone.hidden_states is not None
        graph.add("span", SpanHead(initializer=backbone.initializer), backbone.hidden_states)
        graph.output("hidden_states", backbone.hidden_states)
        losses = [self._loss(graph, which) for which in ("start", "end")]
        graph.loss(graph.add("loss", SumLosses(weights=(0.5, 0.5)), *losses))

    @property
    def rules(self) -> AnswerRules:
        """What counts as an answer."""
        return AnswerRules(self.n_best, self.longest_answer, self.no_answer_threshold)

    def metrics(self) -> tuple[Metric, ...]:
        """SQuAD's, of the texts that records hold; of any batches, a window's best span by its positions."""
        start, end = _LOGITS
        squad = SquadMetric("squad", start, end_logits=end, rules=self.rules)
        return squad, SpanExactMatch("span_exact_match", *_SPANS), SpanF1("span_f1", *_SPANS)

    def prediction(self) -> Prediction:
        """The part of a text that answers a question."""
        return predictions.AnswerSpan(_LOGITS, self.rules)

    def _loss(self, graph: GraphBuilder, which: Literal["start", "end"]) -> Ref:
        logits = Ref("span", f"{which}_logits")
        words = {"start": "where the answer starts; 0 for none", "end": "its last token; 0 for none"}
        labels = TensorSpec(("batch",), INT, optional=True, description=words[which])
        graph.output(f"{which}_logits", logits)
        given = graph.input(f"{which}_positions", labels, label=True)
        counted = TensorSpec(
            ("batch",), FLOAT32, optional=True, description="0 where a packed row has no example"
        )
        weights = graph.input("answer_weights", counted, label=True)
        example_ids = Ref("example_ids") if "example_ids" in graph.inputs else None
        return graph.add(
            f"{which}_loss", PositionCrossEntropy(), logits, given, weights=weights, example_ids=example_ids
        )
