"""GPT-J (Wang & Komatsuzaki, 2021): rotary positions, attention and feed-forward in parallel behind one norm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from zoo_spec.base import LayerCount, PositiveInt, Rate
from zoo_spec.blocks.layer import Layer, ParallelLayer
from zoo_spec.foreign.config import ConfigTable
from zoo_spec.foreign.names import NameTable
from zoo_spec.models.base import HeadCount
from zoo_spec.models.decoder import Decoder
from zoo_spec.models.gptj_config import GPTJ_CONFIGS
from zoo_spec.models.gptj_names import gptj_names


class GptJ(Decoder):
    """GPT-J; the defaults are GPT-J-6B, as kingoflolz/mesh-transformer-jax and ``transformers`` publish it.

    Attention has no biases, the feed-forward has; the output has a matrix of its own, with a bias.
    """

    paper: ClassVar[str] = "GPT-J-6B: A 6 Billion Parameter Autoregressive Language Model"
    year: ClassVar[str] = "2021"
    code: ClassVar[str] = "https://github.com/kingoflolz/mesh-transformer-jax"
    weights: ClassVar[str] = "https://huggingface.co/EleutherAI/gpt-j-6b"

    kind: Literal["gptj"] = "gptj"
    slots: ClassVar = {**Decoder.slots, "position": {"max_positions": "size", "rotary_dims": "dims"}}
    slot_kinds: ClassVar = {**Decoder.slot_kinds, "position": "rotary"}
    slot_values: ClassVar = {
        "attention": {"mask": "causal", "bias": False},
        "position": {"style": "interleaved"},
    }
    small: ClassVar = {**Decoder.small, "rotary_dims": 4}

    hidden_size: PositiveInt = 4096
    """Width of the hidden states."""
    num_layers: LayerCount = 28
    """Number of layers."""
    num_heads: HeadCount = 16
    """Number of attention heads; must divide hidden_size."""
    intermediate_size: PositiveInt = 16384
    """Inner width of the feed-forward blocks."""
    vocab_size: PositiveInt = 50400
    """Number of token ids."""
    max_positions: PositiveInt = 2048
    """Longest sequence."""
    rotary_dims: PositiveInt | None = 64
    """How many of each head's features rotary positions turn; null for all."""
    dropout: Rate = 0.0
    """Dropout rate of embeddings and of what each half of a layer adds."""
    attention_dropout: Rate = 0.0
    """Dropout rate of the attention weights."""
    tied_output: bool = False
    """Whether the output is the embedding's table, or a matrix of its own."""
    output_bias: bool = True
    """Whether the output has a bias."""

    def layer(self) -> Layer:
        """Parallel, behind one norm."""
        return ParallelLayer.model_validate(self.parts())

    def foreign_names(self) -> Mapping[str, NameTable]:
        """``transformers``, whose rotary positions turn neighbours alone."""
        if getattr(self.position, "style", "") != "interleaved":
            return {}
        return {"transformers": gptj_names(self.max_positions)}

    @classmethod
    def foreign_configs(cls) -> Mapping[str, ConfigTable]:
        """``transformers``."""
        return GPTJ_CONFIGS
