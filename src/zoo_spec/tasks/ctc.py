"""Speech recognition by connectionist temporal classification (Hsu et al., 2021, 3.3; Graves et al., 2006)."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import ClassCount, Rate
from zoo_spec.blocks.ctc_loss import CtcLoss
from zoo_spec.blocks.heads import ClassifierHead
from zoo_spec.data.records import Record, Utterance
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.metrics import Metric, TextMetric
from zoo_spec.tasks.predictions import Prediction
from zoo_spec.tensors import FLOAT32, INT, TensorSpec


class TranscriptErrors(TextMetric):
    """Word and character error rate: substitutions, deletions and insertions over all that is said in the records.

    Words, or characters with one space between words, are counted over the whole evaluation, and no mean is taken of
    utterances. Case and punctuation count.
    """

    kind = "transcript_errors"

    @property
    def names(self) -> tuple[str, ...]:
        """Both."""
        return ("word_error_rate", "character_error_rate")


class Transcript(Prediction):
    """Sounds; what is said in each."""


class Ctc(Task):
    """Dropout and a dense layer to the characters on every frame; class 0 is the blank.

    An evaluation decodes greedily, the likeliest class of each frame, without a language model.
    """

    kind: Literal["ctc"] = "ctc"
    classes: ClassCount = 32
    """Number of classes, the blank among them; 32 as in the published checkpoints."""
    dropout: Rate | None = None
    """Dropout rate of the hidden states; the model's own if left out."""
    needs: ClassVar[tuple[str, ...]] = ("hidden_states", "frame_ids")
    default_data: ClassVar[str] = "generated_speech"
    learns_from: ClassVar[tuple[type[Record], ...]] = (Utterance,)
    use: ClassVar[str] = "downstream task"

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Outputs ``hidden_states``, ``logits [batch, frames, classes]`` and ``loss``."""
        assert backbone.hidden_states is not None
        head = ClassifierHead(
            classes=self.classes,
            dropout=backbone.dropout if self.dropout is None else self.dropout,
            initializer=backbone.initializer,
        )
        logits = graph.add("ctc", head, backbone.hidden_states)
        labels = TensorSpec(("batch", "labels"), INT, optional=True, description="characters; 0 for none")
        weights = TensorSpec(("batch",), FLOAT32, optional=True, description="each example's weight")
        graph.output("hidden_states", backbone.hidden_states)
        graph.output("logits", logits)
        graph.loss(
            graph.add(
                "ctc_loss",
                CtcLoss(),
                logits,
                graph.input("labels", labels, label=True),
                weights=graph.input("label_weights", weights, label=True),
                frame_ids=backbone.frame_ids,
            )
        )

    def metrics(self) -> tuple[Metric, ...]:
        """``word_error_rate`` and ``character_error_rate`` of what is recognised."""
        return (TranscriptErrors("transcripts", "logits"),)

    def prediction(self) -> Prediction:
        """What is said in a sound."""
        return Transcript(("logits",))
