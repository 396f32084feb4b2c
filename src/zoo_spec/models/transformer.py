"""The fields that every transformer family has, under the same names."""

from __future__ import annotations

from typing import ClassVar

from zoo_spec.base import LayerCount, PositiveFloat, PositiveInt, Rate
from zoo_spec.blocks.activation import ActivationKind
from zoo_spec.blocks.attention import Attention, SequenceMixer
from zoo_spec.blocks.base import ShapeError
from zoo_spec.blocks.feed_forward import FeedForwardBlock
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.position import Position, QueryKeyPosition
from zoo_spec.errors import Problem, SpecError
from zoo_spec.initializers import Initializer, TruncatedNormal
from zoo_spec.models.base import HeadCount, Model
from zoo_spec.tensors import TensorSpec


class Transformer(Model):
    """Fields shared by transformer families; the flat ones fill the default blocks of the slots."""

    slots: ClassVar = {
        "position": {"max_positions": "size"},
        "norm": {"layer_norm_epsilon": "epsilon"},
        "attention": {"num_heads": "num_heads", "attention_dropout": "dropout"},
        "feed_forward": {"intermediate_size": "size", "activation": "activation"},
    }
    slot_defaults: ClassVar = ("initializer",)
    small: ClassVar = {
        "hidden_size": 24,
        "num_layers": 2,
        "num_heads": 3,
        "intermediate_size": 40,
        "vocab_size": 61,
        "max_positions": 20,
    }
    slot_kinds: ClassVar = {
        "position": "learned_positions",
        "norm": "layer_norm",
        "attention": "attention",
        "feed_forward": "feed_forward",
    }

    hidden_size: PositiveInt = 768
    """Width of the hidden states."""
    num_layers: LayerCount = 12
    """Number of layers."""
    num_heads: HeadCount = 12
    """Number of attention heads; must divide hidden_size."""
    intermediate_size: PositiveInt = 3072
    """Inner width of the feed-forward blocks."""
    vocab_size: PositiveInt = 30522
    """Number of token ids."""
    max_positions: PositiveInt = 512
    """Longest sequence."""
    dropout: Rate = 0.1
    """Dropout rate of embeddings and of each half-layer's output."""
    attention_dropout: Rate = 0.1
    """Dropout rate of the attention weights."""
    activation: ActivationKind = "gelu_erf"
    """Activation of the feed-forward blocks; GELU is gelu_erf or gelu_tanh."""
    layer_norm_epsilon: PositiveFloat = 1e-12
    """Epsilon of every norm."""
    initializer: Initializer = TruncatedNormal(std=0.02)
    """Initial values of every weight matrix and table; biases start at zero."""
    position: Position
    """How positions are told apart."""
    norm: Norm
    """The norm used throughout."""
    attention: SequenceMixer
    """What mixes the positions in each layer."""
    feed_forward: FeedForwardBlock
    """What mixes the features in each layer."""

    @property
    def added_position(self) -> Position | None:
        """What the embeddings add; None where positions act inside attention."""
        return None if isinstance(self.position, QueryKeyPosition) else self.position

    @property
    def placed_attention(self) -> SequenceMixer:
        """The attention, told of the model's positions where these act inside it.

        Raises SpecError where it has no place for them.
        """
        if not isinstance(self.position, QueryKeyPosition):
            return self.attention
        if not isinstance(self.attention, Attention) or self.attention.position is not None:
            kind, attention = (block.kind for block in (self.position, self.attention))
            reason = "has one of its own" if isinstance(self.attention, Attention) else "has no place for it"
            raise SpecError(
                Problem(
                    f"{kind} acts inside attention, and {attention} {reason}; choose one", "model.position"
                )
            )
        self._check_heads(self.position, self.hidden_size // self.attention.num_heads)
        return self.attention.model_copy(update={"position": self.position})

    def _check_heads(self, position: QueryKeyPosition, width: int) -> None:
        """Raise SpecError, at the field that says so, where heads of this width have no room for the position."""
        try:
            position.infer({"x": TensorSpec(("batch", "heads", "sequence", width))})
        except ShapeError as error:
            field = "rotary_dims" if "rotary_dims" in type(self).model_fields else "position"
            raise SpecError(Problem(f"attention {error}", f"model.{field}")) from None
