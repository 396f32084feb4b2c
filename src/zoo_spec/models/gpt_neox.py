"""GPT-NeoX (Black et al., 2022): rotary positions on a part of each head, halves in parallel, a norm for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from zoo_spec.base import LayerCount, PositiveInt, Rate
from zoo_spec.blocks.layer import Layer, ParallelTwoNormLayer
from zoo_spec.foreign.config import ConfigTable
from zoo_spec.foreign.names import NameTable
from zoo_spec.models import keras_hub_decoders
from zoo_spec.models.base import HeadCount
from zoo_spec.models.decoder import Decoder
from zoo_spec.models.gpt_neox_config import GPT_NEOX_CONFIGS
from zoo_spec.models.gpt_neox_names import gpt_neox_names


class GptNeoX(Decoder):
    """GPT-NeoX; the defaults are GPT-NeoX-20B.

    Its GELU is the tanh form, which the published checkpoint was trained with: ``bias-gelu-fusion`` in 20B.yml
    computes that, and the published configuration says ``gelu_fast``. (``transformers``' own default is erf.)
    """

    paper: ClassVar[str] = "GPT-NeoX-20B: An Open-Source Autoregressive Language Model"
    year: ClassVar[str] = "2022"
    code: ClassVar[str] = "https://github.com/EleutherAI/gpt-neox"
    weights: ClassVar[str] = "https://huggingface.co/EleutherAI/gpt-neox-20b"

    kind: Literal["gpt_neox"] = "gpt_neox"
    slots: ClassVar = {**Decoder.slots, "position": {"max_positions": "size", "rotary_dims": "dims"}}
    slot_kinds: ClassVar = {**Decoder.slot_kinds, "position": "rotary"}
    slot_values: ClassVar = {"attention": {"mask": "causal"}, "position": {"style": "halves"}}
    small: ClassVar = {**Decoder.small, "rotary_dims": 4}

    hidden_size: PositiveInt = 6144
    """Width of the hidden states."""
    num_layers: LayerCount = 44
    """Number of layers."""
    num_heads: HeadCount = 64
    """Number of attention heads; must divide hidden_size."""
    intermediate_size: PositiveInt = 24576
    """Inner width of the feed-forward blocks."""
    vocab_size: PositiveInt = 50432
    """Number of token ids."""
    max_positions: PositiveInt = 2048
    """Longest sequence."""
    rotary_dims: PositiveInt | None = 24
    """How many of each head's features rotary positions turn; null for all."""
    dropout: Rate = 0.0
    """Dropout rate of embeddings and of what each half of a layer adds."""
    attention_dropout: Rate = 0.0
    """Dropout rate of the attention weights."""
    tied_output: bool = False
    """Whether the output is the embedding's table, or a matrix of its own."""

    def layer(self) -> Layer:
        """Parallel, a norm for each half."""
        return ParallelTwoNormLayer.model_validate(self.parts())

    def foreign_names(self) -> Mapping[str, NameTable]:
        """``transformers`` and ``keras_hub``, whose rotary positions turn halves alone."""
        if getattr(self.position, "style", "") != "halves":
            return {}
        heads = getattr(self.attention, "num_heads", self.num_heads)
        return {
            "transformers": gpt_neox_names(heads, self.max_positions, tied_output=self.tied_output),
            "keras_hub": keras_hub_decoders.gpt_neox_names(self.num_layers, heads),
        }

    @classmethod
    def foreign_configs(cls) -> Mapping[str, ConfigTable]:
        """Of each of these sources."""
        return {**GPT_NEOX_CONFIGS, "keras_hub": keras_hub_decoders.GPT_NEOX_CONFIG}
