"""The input of a speech transformer: features of frames, some of them hidden, and positions."""

from __future__ import annotations

from typing import Literal

from zoo_spec.base import PositiveInt, Rate
from zoo_spec.blocks.base import Block, Inputs, Outputs, require_ids, require_sequence
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.position import Position
from zoo_spec.initializers import GlorotUniform, Initializer, Uniform
from zoo_spec.parameters import Parameter


class FrameEmbeddings(Block):
    """Norm and dense layer of each frame, hidden frames replaced, padding zeroed; positions, norm and dropout.

    ``x [batch, frames, features]``; ``frame_mask [batch, frames]``, 1 where a frame is hidden: it is then one learned
    vector (Hsu et al., 2021, 2.2); ``frame_ids [batch, frames]``, 0 for padding, which becomes zeros, lest the
    positions' convolution see it.
    """

    kind: Literal["frame_embeddings"] = "frame_embeddings"
    optional = ("frame_mask", "frame_ids")
    size: PositiveInt
    """Width of a frame's vector."""
    feature_norm: Norm
    """Norm of the features."""
    position: Position
    """How positions are told apart."""
    norm: Norm | None = None
    """Norm of the sum, which post-norm layers need; null for none."""
    feature_dropout: Rate = 0.0
    """Dropout rate of the projected features."""
    dropout: Rate = 0.0
    """Dropout rate of the result."""
    initializer: Initializer = GlorotUniform()
    """Initial values of the dense layer."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, frames, size]``."""
        x = inputs["x"]
        require_sequence(x)
        require_ids(inputs, "frame_mask", "frame_ids", shape=x.shape[:2])
        self.infer_child("feature_norm", inputs)
        self.infer_child("position", inputs)
        return {"x": x.with_width(self.size, "hidden")}

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``mask_embedding [size]``, which fairseq draws from [0, 1); here its mean is 0."""
        return {"mask_embedding": Parameter((self.size,), Uniform(limit=1.0), "embedding")}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``feature_norm``, ``projection``, ``feature_dropout``, ``position``, ``norm`` and ``dropout``."""
        x = {"x": inputs["x"]}
        wide = {"x": inputs["x"].with_width(self.size, "hidden")}
        norm: dict[str, tuple[Block, Inputs]] = {} if self.norm is None else {"norm": (self.norm, wide)}
        return {
            "feature_norm": (self.feature_norm, x),
            "projection": (Dense(size=self.size, initializer=self.initializer), x),
            "feature_dropout": (Dropout(rate=self.feature_dropout), wide),
            "position": (self.position, wide),
            **norm,
            "dropout": (Dropout(rate=self.dropout), wide),
        }
