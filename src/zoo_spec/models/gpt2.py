"""GPT-2 (Radford et al., 2019): pre-norm decoder, learned positions, output tied to the embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from zoo_spec.blocks.layer import Layer, PreNormLayer
from zoo_spec.foreign.config import ConfigTable
from zoo_spec.foreign.names import NameTable
from zoo_spec.models import keras_hub_decoders
from zoo_spec.models.decoder import Decoder
from zoo_spec.models.gpt2_config import GPT2_CONFIGS
from zoo_spec.models.gpt2_names import gpt2_names
from zoo_spec.models.gpt2_openai import OPENAI_CONFIG, OPENAI_NAMES


class Gpt2(Decoder):
    """GPT-2; the defaults are the smallest, as openai/gpt-2 and ``transformers`` publish it.

    The initial values are the paper's 2.3: every matrix from a normal of 0.02, those that add to the residual
    scaled by the root of how many do. The code that was published leaves the scaling out, and draws positions
    from a normal of 0.01; ``transformers`` scales, and draws them from 0.02, as here.
    """

    paper: ClassVar[str] = "Language Models are Unsupervised Multitask Learners"
    year: ClassVar[str] = "2019"
    code: ClassVar[str] = "https://github.com/openai/gpt-2"
    weights: ClassVar[str] = "https://huggingface.co/openai-community/gpt2"

    kind: Literal["gpt2"] = "gpt2"

    def layer(self) -> Layer:
        """Pre-norm."""
        return PreNormLayer.model_validate(self.parts())

    def foreign_names(self) -> Mapping[str, NameTable]:
        """``transformers``, ``openai/gpt-2`` and ``keras_hub``, whose GPT-2 has an output without a bias."""
        heads = getattr(self.attention, "num_heads", self.num_heads)
        return {
            "transformers": gpt2_names(self.max_positions, tied_output=self.tied_output),
            "openai/gpt-2": OPENAI_NAMES,
            "keras_hub": keras_hub_decoders.gpt2_names(self.num_layers, heads),
        }

    @classmethod
    def foreign_configs(cls) -> Mapping[str, ConfigTable]:
        """Of each of these sources."""
        return {
            **GPT2_CONFIGS,
            "openai/gpt-2": OPENAI_CONFIG,
            "keras_hub": keras_hub_decoders.GPT2_CONFIG,
        }
