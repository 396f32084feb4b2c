"""HuBERT (Hsu et al., 2021): frames of a waveform, hidden units to be told of the masked ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import model_validator

from zoo_spec.base import LayerCount, PositiveFloat, PositiveInt, Rate
from zoo_spec.blocks.activation import ActivationKind
from zoo_spec.blocks.attention import SequenceMixer
from zoo_spec.blocks.feed_forward import FeedForwardBlock
from zoo_spec.blocks.frame_embeddings import FrameEmbeddings
from zoo_spec.blocks.layer import PostNormLayer, PreNormLayer, Stack
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.position import Position
from zoo_spec.blocks.waveform_encoder import FrameIds, Sizes, WaveformEncoder
from zoo_spec.foreign.config import ConfigTable
from zoo_spec.foreign.names import NameTable
from zoo_spec.graph import GraphBuilder
from zoo_spec.initializers import Initializer, Normal
from zoo_spec.models.base import Backbone, HeadCount, Model
from zoo_spec.models.hubert_config import HUBERT_CONFIGS
from zoo_spec.models.hubert_fairseq import FAIRSEQ_CONFIG, fairseq_names
from zoo_spec.models.hubert_names import HUBERT_NAMES
from zoo_spec.models.inputs import waveform_inputs
from zoo_spec.tensors import INT, TensorSpec, Windows


class Hubert(Model):
    """HuBERT; the defaults are the base model as fairseq and ``transformers`` publish it, for 16 kHz.

    ``sample_ids`` tells padding, at a row's end, from the waveform; rows are never packed, since convolutions do not
    keep examples apart. In base the first norm's mean and variance are of the whole row, padding included.

    Of fairseq's training, this has no layers that are left out at random (LayerDrop), no smaller gradient for the
    waveform encoder (``feature_grad_mult``), and no penalty on its features (``features_pen``).
    """

    domain: ClassVar[str] = "speech"
    use: ClassVar[str] = "representation"
    paper: ClassVar[str] = (
        "HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units"
    )
    year: ClassVar[str] = "2021"
    code: ClassVar[str] = "https://github.com/facebookresearch/fairseq/tree/main/examples/hubert"
    weights: ClassVar[str] = "https://huggingface.co/facebook/hubert-base-ls960"

    kind: Literal["hubert"] = "hubert"
    slots: ClassVar = {
        "waveform_encoder": {"waveform_channels": "channels"},
        "position": {},
        "norm": {"layer_norm_epsilon": "epsilon"},
        "attention": {"num_heads": "num_heads", "attention_dropout": "dropout"},
        "feed_forward": {
            "intermediate_size": "size",
            "activation": "activation",
            "activation_dropout": "dropout",
        },
    }
    slot_defaults: ClassVar = ("initializer",)
    slot_kinds: ClassVar = {
        "waveform_encoder": "waveform_encoder",
        "position": "convolutional_position",
        "norm": "layer_norm",
        "attention": "attention",
        "feed_forward": "feed_forward",
    }
    small: ClassVar = {
        "waveform_channels": (12, 20),
        "hidden_size": 48,
        "num_layers": 2,
        "num_heads": 3,
        "intermediate_size": 40,
        "max_samples": 12_000,
    }

    waveform_channels: Sizes = (512,) * 7
    """Output channels of each convolution over the waveform."""
    hidden_size: PositiveInt = 768
    """Width of the hidden states."""
    num_layers: LayerCount = 12
    """Number of layers."""
    num_heads: HeadCount = 12
    """Number of attention heads; must divide hidden_size."""
    intermediate_size: PositiveInt = 3072
    """Inner width of the feed-forward blocks."""
    max_samples: PositiveInt = 250_000
    """Longest waveform; 15.6 seconds, which fairseq's pre-training crops to."""
    norm_place: Literal["after", "before"] = "after"
    """Where the norms of a layer stand: ``after`` each half (base), or ``before`` it, with one more at the end (large
    and extra large)."""
    dropout: Rate = 0.1
    """Dropout rate of the embeddings and of each half-layer's output."""
    feature_dropout: Rate = 0.1
    """Dropout rate of the projected features."""
    attention_dropout: Rate = 0.1
    """Dropout rate of the attention weights."""
    activation_dropout: Rate = 0.0
    """Dropout rate inside the feed-forward blocks, of what goes into the last projection."""
    activation: ActivationKind = "gelu_erf"
    """Activation of the feed-forward blocks; GELU is gelu_erf or gelu_tanh."""
    layer_norm_epsilon: PositiveFloat = 1e-5
    """Epsilon of every norm but those of the waveform encoder."""
    initializer: Initializer = Normal(std=0.02)
    """Initial values of the weights of the transformer; biases start at zero."""
    waveform_encoder: WaveformEncoder
    """What makes frames of the waveform."""
    position: Position
    """How positions are told apart."""
    norm: Norm
    """The norm of features, embeddings and layers."""
    attention: SequenceMixer
    """What mixes the frames in each layer."""
    feed_forward: FeedForwardBlock
    """What mixes the features in each layer."""

    def build(self, graph: GraphBuilder) -> Backbone:
        """``waveform_encoder``, ``frame_ids``, ``embeddings`` and ``encoder``."""
        before = self.norm_place == "before"
        size, stride = self.waveform_encoder.frame
        # Two frames: torch.export takes a sequence of one for another model.
        waveform, sample_ids = waveform_inputs(graph, least=size + stride, most=self.max_samples)
        length = Windows("frames", "samples", size, stride)
        frame_mask = graph.input(
            "frame_mask",
            TensorSpec(("batch", length), INT, optional=True, description="1 where a frame is hidden"),
        )
        embeddings = FrameEmbeddings(
            size=self.hidden_size,
            feature_norm=self.norm,
            position=self.position,
            norm=None if before else self.norm,
            feature_dropout=self.feature_dropout,
            dropout=self.dropout,
            initializer=self.initializer,
        )
        layer = (PreNormLayer if before else PostNormLayer)(
            attention=self.attention, feed_forward=self.feed_forward, norm=self.norm, dropout=self.dropout
        )
        stack = Stack(layer=layer, num_layers=self.num_layers, norm=self.norm if before else None)
        x = graph.add("waveform_encoder", self.waveform_encoder, waveform)
        example_ids = graph.add("frame_ids", FrameIds(size=size, stride=stride), sample_ids, x)
        x = graph.add("embeddings", embeddings, x, frame_mask=frame_mask, frame_ids=example_ids)
        x = graph.add("encoder", stack, x, example_ids=example_ids)
        return Backbone(
            initializer=self.initializer,
            hidden_states=x,
            frame_ids=example_ids,
            norm=self.norm,
            activation=self.activation,
            dropout=self.dropout,
        )

    def foreign_names(self) -> Mapping[str, NameTable]:
        """``transformers`` and ``fairseq``."""
        encoder = self.waveform_encoder
        first_alone, projected = encoder.norm is None, encoder.channels[-1] != self.hidden_size
        return {**HUBERT_NAMES, "fairseq": fairseq_names(first_alone=first_alone, projected=projected)}

    @classmethod
    def foreign_configs(cls) -> Mapping[str, ConfigTable]:
        """``transformers`` and ``fairseq``."""
        return {**HUBERT_CONFIGS, "fairseq": FAIRSEQ_CONFIG}

    @model_validator(mode="after")
    def _frames_fit(self) -> Hubert:
        size, stride = self.waveform_encoder.frame
        if self.max_samples < size + stride:
            raise ValueError(
                f"max_samples {self.max_samples} is shorter than the {size + stride} samples that the convolutions "
                "need for two frames; raise it, or give shorter kernels and strides"
            )
        return self
