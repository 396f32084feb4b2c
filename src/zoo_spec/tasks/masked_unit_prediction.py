"""HuBERT's pre-training: which hidden unit each masked frame is of (Hsu et al., 2021, 2.2 and 2.3)."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import ClassCount, PositiveFloat, PositiveInt
from zoo_spec.blocks.cosine_head import CosineHead
from zoo_spec.blocks.losses import SoftmaxCrossEntropy
from zoo_spec.data.records import Record, Utterance
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.metrics import Accuracy, Metric
from zoo_spec.tensors import FLOAT32, INT, TensorSpec


class MaskedUnitPrediction(Task):
    """Cosine logits over the codes of hidden units, which clustering gave; of one codebook.

    ``frame_mask`` says which frames the model does not see. ``label_weights`` says what counts: 1 at masked frames,
    0 elsewhere as in the published models, or what unmasked ones are to count (equation 2's ``1 - alpha`` over
    ``alpha``), and 0 at padding.
    """

    kind: Literal["masked_unit_prediction"] = "masked_unit_prediction"
    units: ClassCount = 504
    """Number of units; fairseq's 500 clusters, and the four of its dictionary that stand for nothing here."""
    code_size: PositiveInt = 256
    """Width of a code; 256 in base, 768 in large, 1,024 in extra large."""
    temperature: PositiveFloat = 0.1
    """What the cosines are divided by."""
    needs: ClassVar[tuple[str, ...]] = ("hidden_states", "frame_ids")
    default_data: ClassVar[str] = "generated_speech"
    learns_from: ClassVar[tuple[type[Record], ...]] = (Utterance,)

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Outputs ``hidden_states``, ``logits [batch, frames, units]`` and ``loss``."""
        assert backbone.hidden_states is not None
        head = CosineHead(
            units=self.units,
            size=self.code_size,
            temperature=self.temperature,
            initializer=backbone.initializer,
        )
        logits = graph.add("units", head, backbone.hidden_states)
        shape = graph.resolve(logits).shape[:2]
        labels = TensorSpec(shape, INT, optional=True, description="each frame's hidden unit")
        weights = TensorSpec(shape, FLOAT32, optional=True, description="what each frame counts")
        graph.output("hidden_states", backbone.hidden_states)
        graph.output("logits", logits)
        graph.loss(
            graph.add(
                "unit_loss",
                SoftmaxCrossEntropy(),
                logits,
                graph.input("labels", labels, label=True),
                weights=graph.input("label_weights", weights, label=True),
            )
        )

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy`` of the frames that count."""
        return (Accuracy("accuracy", "logits", "labels", "label_weights"),)
