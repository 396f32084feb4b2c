"""Speech recognition by connectionist temporal classification (Hsu et al., 2021, 3.3; Graves et al., 2006)."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import ClassCount, Rate
from zoo_spec.blocks.ctc_loss import CtcLoss
from zoo_spec.blocks.heads import ClassifierHead
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.tasks.base import Task
from zoo_spec.tensors import FLOAT32, INT, TensorSpec


class Ctc(Task):
    """Dropout and a dense layer to the characters on every frame; class 0 is the blank."""

    kind: Literal["ctc"] = "ctc"
    classes: ClassCount = 32
    """Number of classes, the blank among them; 32 as in the published checkpoints."""
    dropout: Rate | None = None
    """Dropout rate of the hidden states; the model's own if left out."""
    needs: ClassVar[tuple[str, ...]] = ("hidden_states", "frame_ids")
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
