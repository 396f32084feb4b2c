"""GPT-3 (Brown et al., 2020): GPT-2 with layers of dense and of locally banded attention in turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo_spec.base import PositiveInt, Rate
from zoo_spec.blocks.attention import Attention, BandedAttention
from zoo_spec.blocks.base import Block
from zoo_spec.blocks.layer import PatternStack
from zoo_spec.errors import Problem, SpecError
from zoo_spec.foreign.names import NameTable
from zoo_spec.models.gpt2 import Gpt2


class Gpt3(Gpt2):
    """GPT-3; the defaults are its smallest model.

    "We use alternating dense and locally banded sparse attention patterns in the layers" (2.1) is all that the
    paper says of them: which comes first and how wide the band is are choices made here. The parameters are the
    same, and those of GPT-2.
    """

    paper: ClassVar[str] = "Language Models are Few-Shot Learners"
    year: ClassVar[str] = "2020"
    code: ClassVar[str] = "https://github.com/openai/gpt-3"
    weights: ClassVar[str] = ""

    kind: Literal["gpt3"] = "gpt3"  # type: ignore[assignment]
    small: ClassVar = {**Gpt2.small, "window": 5}

    max_positions: PositiveInt = 2048
    """Longest sequence."""
    dropout: Rate = 0.0
    """Dropout rate of embeddings and of each half-layer's output."""
    attention_dropout: Rate = 0.0
    """Dropout rate of the attention weights."""
    layer_pattern: Annotated[tuple[Literal["dense", "banded"], ...], Field(min_length=1)] = (
        "dense",
        "banded",
    )
    """How the layers attend, one after the other, over and over."""
    window: PositiveInt = 128
    """How many positions a banded layer sees, each itself among them. The paper does not say; 128 is the stride of
    the Sparse Transformer on text (Child et al., 2019), whose patterns it refers to."""

    def stack(self) -> Block:
        """Dense and banded layers in turn, and the last norm."""
        dense = self.layer()
        layers = {"dense": dense}
        if "banded" in self.layer_pattern:
            layers["banded"] = dense.model_copy(update={"attention": self._banded(dense.attention)})
        pattern = tuple(layers[name] for name in self.layer_pattern)
        return PatternStack(pattern=pattern, num_layers=self.num_layers, norm=self.norm)

    def foreign_names(self) -> Mapping[str, NameTable]:
        """GPT-2's in ``transformers``, which has no banded layers: where all are dense."""
        return {} if "banded" in self.layer_pattern else super().foreign_names()

    def _banded(self, dense: Block) -> BandedAttention:
        if type(dense) is not Attention:
            kind = dense.kind
            raise SpecError(
                Problem(
                    f"layers of banded attention are made of attention, and the slot holds {kind}; give the "
                    "pattern [dense], or the slot attention",
                    "model.layer_pattern",
                )
            )
        shared = {name: getattr(dense, name) for name in Attention.model_fields if name != "kind"}
        return BandedAttention(**shared, window=self.window)
