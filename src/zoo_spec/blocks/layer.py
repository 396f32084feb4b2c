"""Transformer layers, post-norm, pre-norm and parallel, and stacks of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo_spec.base import LayerCount, Rate
from zoo_spec.blocks.attention import SequenceMixer
from zoo_spec.blocks.base import Block, Inputs, Outputs
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.feed_forward import FeedForwardBlock
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.stacked import Stacked


class Layer(Block):
    """Attention, then feed-forward, each with a residual; keeps the shape ``[batch, sequence, hidden]``."""

    role: ClassVar[str] = "layer"
    optional = ("example_ids", "positions")
    attention: SequenceMixer
    """What mixes the positions."""
    feed_forward: FeedForwardBlock
    """What mixes the features."""
    norm: Norm
    """The norm, which each half has one of."""
    dropout: Rate = 0.0
    """Dropout rate of each half's output, before it is added."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        for block, block_inputs in self.children(inputs).values():
            block.infer(block_inputs)
        return {"x": inputs["x"]}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``attention``, ``attention_norm``, ``feed_forward``, ``feed_forward_norm``, ``dropout``."""
        x = {"x": inputs["x"]}
        return {
            **sublayer("attention", self.attention, inputs, self.norm, self.dropout),
            **sublayer("feed_forward", self.feed_forward, x, self.norm, self.dropout),
        }


class PostNormLayer(Layer):
    """``x = norm(x + attention(x)); x = norm(x + feed_forward(x))`` (Vaswani et al., 2017, 3.1)."""

    kind: Literal["post_norm_layer"] = "post_norm_layer"


class PreNormLayer(Layer):
    """``x = x + attention(norm(x)); x = x + feed_forward(norm(x))`` (Xiong et al., 2020, figure 1b)."""

    kind: Literal["pre_norm_layer"] = "pre_norm_layer"


class ParallelLayer(Layer):
    """``y = norm(x); x = x + attention(y) + feed_forward(y)``, one norm for both (Wang & Komatsuzaki, 2021)."""

    kind: Literal["parallel_layer"] = "parallel_layer"

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``norm``, ``attention``, ``feed_forward`` and their dropouts."""
        children = super().children(inputs)
        norm = children.pop("attention_norm")
        del children["feed_forward_norm"]
        return {"norm": norm, **children}


class ParallelTwoNormLayer(Layer):
    """``x = x + attention(norm(x)) + feed_forward(other_norm(x))`` (Black et al., 2022, 2.1)."""

    kind: Literal["parallel_two_norm_layer"] = "parallel_two_norm_layer"


class Stack(Block):
    """Layers of one kind, one after the other, then a last norm if one is given."""

    kind: Literal["stack"] = "stack"
    optional = ("example_ids", "positions")
    layer: Layer
    """What each layer is; each has weights of its own."""
    num_layers: LayerCount
    """Number of layers."""
    norm: Norm | None = None
    """Norm after the last layer, which pre-norm layers need; null for none."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        return self.layer.infer(inputs)

    def children(self, inputs: Inputs) -> Mapping[str, tuple[Block, Inputs]]:
        """``layers.0``, ``layers.1``, ... and ``norm``."""
        return stacked([self.layer], self.num_layers, self.norm, inputs)


class PatternStack(Block):
    """Layers of several kinds in turn, over and over, then a last norm if one is given."""

    kind: Literal["pattern_stack"] = "pattern_stack"
    optional = ("example_ids", "positions")
    pattern: Annotated[tuple[Layer, ...], Field(min_length=1)]
    """What the first layers are, one after the other; then it starts over. Each layer has weights of its own."""
    num_layers: LayerCount
    """Number of layers; the last time round the pattern may be cut short."""
    norm: Norm | None = None
    """Norm after the last layer, which pre-norm layers need; null for none."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        for layer in self.pattern:
            layer.infer(inputs)
        return {"x": inputs["x"]}

    def children(self, inputs: Inputs) -> Mapping[str, tuple[Block, Inputs]]:
        """``layers.0``, ``layers.1``, ... and ``norm``."""
        return stacked(self.pattern, self.num_layers, self.norm, inputs)


def sublayer(
    name: str, block: Block, inputs: Inputs, norm: Norm, dropout: float
) -> dict[str, tuple[Block, Inputs]]:
    """A part of a layer with its norm and its dropout, by attribute."""
    x = {"x": inputs["x"]}
    return {
        name: (block, inputs),
        f"{name}_dropout": (Dropout(rate=dropout), x),
        f"{name}_norm": (norm, x),
    }


def stacked(pattern: Sequence[Block], number: int, norm: Norm | None, inputs: Inputs) -> Stacked:
    """``number`` layers by turns of ``pattern``, and ``norm`` if there is one, each with its inputs."""
    after = {} if norm is None else {"norm": (norm, {"x": inputs["x"]})}
    return Stacked([(layer, inputs) for layer in pattern], number, after=after)
