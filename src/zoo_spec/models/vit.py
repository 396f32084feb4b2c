"""ViT (Dosovitskiy et al., 2021): patches of an image as the tokens of a pre-norm encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import model_validator

from zoo_spec.base import LayerCount, PositiveFloat, PositiveInt, Rate
from zoo_spec.blocks.activation import ActivationKind
from zoo_spec.blocks.attention import SequenceMixer
from zoo_spec.blocks.feed_forward import FeedForwardBlock
from zoo_spec.blocks.layer import PreNormLayer, Stack
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.patch_embeddings import InterpolatedPositions, PatchEmbeddings
from zoo_spec.blocks.pooler import FirstToken
from zoo_spec.foreign.config import ConfigTable
from zoo_spec.foreign.names import NameTable
from zoo_spec.graph import GraphBuilder
from zoo_spec.initializers import Initializer, TruncatedNormal
from zoo_spec.models import keras_hub_encoders
from zoo_spec.models.base import Backbone, HeadCount, Model
from zoo_spec.models.inputs import image_input
from zoo_spec.models.vit_config import VIT_CONFIGS
from zoo_spec.models.vit_names import VIT_NAMES
from zoo_spec.models.vit_npz import NPZ_CONFIG, npz_names

Size = tuple[PositiveInt, PositiveInt]


class ViT(Model):
    """ViT; the defaults are ViT-B/16 at 224 by 224, as google-research/vision_transformer has it.

    What a classifier reads is the class token after the last norm, by one linear layer, as in the paper's
    fine-tuning. There is no pooler: that of ``transformers``' ViTModel belongs to no published classifier.
    """

    domain: ClassVar[str] = "vision"
    use: ClassVar[str] = "downstream task"
    paper: ClassVar[str] = "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale"
    year: ClassVar[str] = "2021"
    code: ClassVar[str] = "https://github.com/google-research/vision_transformer"
    weights: ClassVar[str] = "https://huggingface.co/google/vit-base-patch16-224"

    kind: Literal["vit"] = "vit"
    slots: ClassVar = {
        "norm": {"layer_norm_epsilon": "epsilon"},
        "attention": {"num_heads": "num_heads", "attention_dropout": "dropout"},
        "feed_forward": {
            "intermediate_size": "size",
            "activation": "activation",
            "activation_dropout": "dropout",
        },
    }
    slot_defaults: ClassVar = ("initializer",)
    slot_kinds: ClassVar = {"norm": "layer_norm", "attention": "attention", "feed_forward": "feed_forward"}
    small: ClassVar = {
        "image_size": (12, 8),
        "patch_size": 4,
        "hidden_size": 24,
        "num_layers": 2,
        "num_heads": 3,
        "intermediate_size": 40,
    }
    default_task: ClassVar[str] = "image_classification"

    image_size: Size = (224, 224)
    """Height and width of the images; both a multiple of patch_size."""
    patch_size: PositiveInt = 16
    """Height and width of a patch."""
    position_image_size: Size | None = None
    """Height and width of the images that the positions were learned for, where they are not image_size: the
    positions are then interpolated, as for fine-tuning at a higher resolution (the paper's 3.2)."""
    channels: PositiveInt = 3
    """Number of colours."""
    hidden_size: PositiveInt = 768
    """Width of the hidden states."""
    num_layers: LayerCount = 12
    """Number of layers."""
    num_heads: HeadCount = 12
    """Number of attention heads; must divide hidden_size."""
    intermediate_size: PositiveInt = 3072
    """Inner width of the feed-forward blocks."""
    dropout: Rate = 0.0
    """Dropout rate of embeddings and of each half-layer's output."""
    attention_dropout: Rate = 0.0
    """Dropout rate of the attention weights."""
    activation_dropout: Rate = 0.0
    """Dropout rate inside the feed-forward blocks, of what goes into the last projection."""
    activation: ActivationKind = "gelu_tanh"
    """Activation of the feed-forward blocks; GELU is gelu_erf or gelu_tanh. The published checkpoints were trained
    with flax' tanh form, and ``transformers`` runs them with the erf form."""
    layer_norm_epsilon: PositiveFloat = 1e-6
    """Epsilon of every norm. The published checkpoints were trained with flax' 1e-6, and ``transformers``
    runs them with 1e-12."""
    initializer: Initializer = TruncatedNormal(std=0.02)
    """Initial values of every weight matrix and table; biases start at zero."""
    norm: Norm
    """The norm used throughout."""
    attention: SequenceMixer
    """What mixes the tokens in each layer."""
    feed_forward: FeedForwardBlock
    """What mixes the features in each layer."""

    def build(self, graph: GraphBuilder) -> Backbone:
        """``embeddings``, ``encoder`` and, where asked for, ``first_token``."""
        image = image_input(graph, *self.image_size, self.channels)
        embeddings = PatchEmbeddings(
            size=self.hidden_size,
            patch_size=self.patch_size,
            position=self._position(),
            dropout=self.dropout,
            initializer=self.initializer,
        )
        layer = PreNormLayer(
            attention=self.attention, feed_forward=self.feed_forward, norm=self.norm, dropout=self.dropout
        )
        x = graph.add("embeddings", embeddings, image)
        x = graph.add("encoder", Stack(layer=layer, num_layers=self.num_layers, norm=self.norm), x)
        return Backbone(
            initializer=self.initializer,
            hidden_states=x,
            features=lambda: graph.add("first_token", FirstToken(), x),
            norm=self.norm,
            activation=self.activation,
            dropout=self.dropout,
        )

    def foreign_names(self) -> Mapping[str, NameTable]:
        """``transformers``, ``vision_transformer`` and ``keras_hub``."""
        heads = getattr(self.attention, "num_heads", self.num_heads)
        return {
            **VIT_NAMES,
            "vision_transformer": npz_names(heads),
            "keras_hub": keras_hub_encoders.vit_names(self.num_layers, heads),
        }

    @classmethod
    def foreign_configs(cls) -> Mapping[str, ConfigTable]:
        """Of each of these sources."""
        return {
            **VIT_CONFIGS,
            "vision_transformer": NPZ_CONFIG,
            "keras_hub": keras_hub_encoders.VIT_CONFIG,
        }

    def _position(self) -> InterpolatedPositions | None:
        if self.position_image_size in (None, self.image_size):
            return None
        assert self.position_image_size is not None
        return InterpolatedPositions(
            learned_grid=self._grid(self.position_image_size),
            grid=self._grid(self.image_size),
            initializer=self.initializer,
        )

    def _grid(self, size: Size) -> Size:
        return size[0] // self.patch_size, size[1] // self.patch_size

    @model_validator(mode="after")
    def _whole_patches(self) -> ViT:
        for name in ("image_size", "position_image_size"):
            height, width = getattr(self, name) or self.image_size
            if height % self.patch_size or width % self.patch_size:
                lower = [max(size // self.patch_size, 1) * self.patch_size for size in (height, width)]
                raise ValueError(
                    f"{name} [{height}, {width}] is no multiple of patch_size {self.patch_size}; "
                    f"take {lower}, or a patch_size that divides both"
                )
        return self
