"""Sequence to sequence: each token of a target is predicted from those before it and from another sequence."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import Rate
from zoo_spec.blocks.decoder_layer import DecoderLayer
from zoo_spec.blocks.losses import SoftmaxCrossEntropy
from zoo_spec.blocks.relative_layer import RelativeDecoderLayer
from zoo_spec.blocks.scale import Scale
from zoo_spec.blocks.tied_dense import TiedDense
from zoo_spec.data.records import Record, RunningText, SummarizedText, TextPair
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.models.inputs import TARGETS
from zoo_spec.tasks import predictions
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.direction import require_causal_mixer
from zoo_spec.tasks.metrics import Accuracy, Metric, Perplexity
from zoo_spec.tasks.predictions import Prediction
from zoo_spec.tasks.text_metrics import GeneratedTexts
from zoo_spec.tensors import FLOAT32, INT, TensorSpec

_NEXT_TOKEN = tuple(kind(kind.kind, "logits", "labels", "label_weights") for kind in (Accuracy, Perplexity))


class SequenceToSequenceLm(Task):
    """Output by the model's own head, or the embedding's table; labels are the target's tokens.

    ``decoder_input_ids`` are the labels shifted to the right, behind a token that starts them. A decoder in which
    positions see what comes after them is refused.
    """

    kind: Literal["sequence_to_sequence_lm"] = "sequence_to_sequence_lm"
    label_smoothing: Rate = 0.0
    """Probability spread evenly over the vocabulary."""
    needs: ClassVar[tuple[str, ...]] = ("decoder_states", "table")
    learns_from: ClassVar[tuple[type[Record], ...]] = (TextPair, SummarizedText)
    default_data: ClassVar[str] = "cldr_names"

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Outputs ``hidden_states``, which are the decoder's, ``logits`` and ``loss``."""
        assert backbone.decoder_states is not None
        assert backbone.table is not None
        x = states = backbone.decoder_states()
        _refuse_hindsight(graph, self.kind)
        if backbone.output_scale != 1:
            x = graph.add("lm_head_scale", Scale(factor=backbone.output_scale), x)
        head = TiedDense() if backbone.output is None else backbone.output
        table = (backbone.table,) if isinstance(head, TiedDense) else ()
        logits = graph.add("lm_head", head, x, *table)
        following = TensorSpec(TARGETS, INT, optional=True, description="the token that comes next")
        counted = TensorSpec(TARGETS, FLOAT32, optional=True, description="0 where a label does not count")
        labels = graph.input("labels", following, label=True)
        weights = graph.input("label_weights", counted, label=True)
        loss = SoftmaxCrossEntropy(label_smoothing=self.label_smoothing)
        graph.output("hidden_states", states)
        graph.output("logits", logits)
        graph.loss(graph.add(f"{self.kind}_loss", loss, logits, labels, weights=weights))

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy`` of the next token, ``perplexity``, and of what it writes ``bleu`` and ``chrf``, or ROUGE."""
        return (*_NEXT_TOKEN, GeneratedTexts("generated", "logits"))

    def prediction(self) -> Prediction | None:
        """The text that is made of a text."""
        return predictions.GeneratedText(("logits",))


class SpanCorruption(SequenceToSequenceLm):
    """T5's pre-training (Raffel et al., 2020, 3.1.4): spans are cut out, and told one after the other.

    The graph is that of any sequence-to-sequence language model; its data cuts the spans.
    """

    kind: Literal["span_corruption"] = "span_corruption"  # type: ignore[assignment]
    default_data: ClassVar[str] = "text"
    learns_from: ClassVar[tuple[type[Record], ...]] = (RunningText,)

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy`` of the next token, and ``perplexity``."""
        return _NEXT_TOKEN

    def prediction(self) -> Prediction | None:
        """None: what it tells are spans, by sentinels that no text has."""
        return None


def _refuse_hindsight(graph: GraphBuilder, task: str) -> None:
    """Raise SpecError if a decoder shows positions those after them: to predict these is no task then."""
    for place in graph.folded():
        block = place.block
        if isinstance(block, DecoderLayer | RelativeDecoderLayer):
            require_causal_mixer(graph, block.attention, f"{place.path}.attention", task)
