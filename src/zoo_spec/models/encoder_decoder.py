"""The Transformer (Vaswani et al., 2017): post-norm encoder and decoder, sinusoidal positions, one shared table."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import ClassVar, Literal

from zoo_spec.base import LayerCount, PositiveFloat, PositiveInt, Rate
from zoo_spec.blocks.activation import ActivationKind
from zoo_spec.blocks.attention import SequenceMixer
from zoo_spec.blocks.cross_attention import CrossMixer
from zoo_spec.blocks.decoder_layer import DecoderStack, PostNormDecoderLayer
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.embedding import Embedding
from zoo_spec.blocks.feed_forward import FeedForwardBlock
from zoo_spec.blocks.layer import PostNormLayer, Stack
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.position import Position
from zoo_spec.blocks.scale import Scale
from zoo_spec.blocks.sinusoidal import SinusoidalPositions
from zoo_spec.blocks.tied_dense import TiedDense
from zoo_spec.foreign.config import ConfigTable
from zoo_spec.foreign.names import NameTable
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.initializers import GlorotUniform, Initializer, Normal
from zoo_spec.models.base import Backbone, HeadCount, Model
from zoo_spec.models.encoder_decoder_config import MARIAN_CONFIGS
from zoo_spec.models.encoder_decoder_fairseq import FAIRSEQ_CONFIG, FAIRSEQ_NAMES, FAIRSEQ_SINES
from zoo_spec.models.encoder_decoder_names import marian_names
from zoo_spec.models.inputs import decoder_positions_input, packing_inputs, target_inputs, token_inputs

_HEADS = {"num_heads": "num_heads", "attention_dropout": "dropout"}


class EncoderDecoder(Model):
    """The Transformer; the defaults are the paper's base model.

    One table, scaled by ``sqrt(hidden_size)`` where it embeds, serves both sequences and the output (3.4). A task
    that has no target sequence gets the encoder alone.
    """

    domain: ClassVar[str] = "language"
    use: ClassVar[str] = "downstream task"
    paper: ClassVar[str] = "Attention Is All You Need"
    year: ClassVar[str] = "2017"
    code: ClassVar[str] = "https://github.com/tensorflow/tensor2tensor"

    kind: Literal["transformer"] = "transformer"
    slots: ClassVar = {
        "position": {"max_positions": "size"},
        "norm": {"layer_norm_epsilon": "epsilon"},
        "attention": _HEADS,
        "decoder_attention": _HEADS,
        "cross_attention": _HEADS,
        "feed_forward": {"intermediate_size": "size", "activation": "activation"},
    }
    slot_defaults: ClassVar = ("initializer",)
    slot_kinds: ClassVar = {
        "position": "sinusoidal_positions",
        "norm": "layer_norm",
        "attention": "attention",
        "decoder_attention": "attention",
        "cross_attention": "cross_attention",
        "feed_forward": "feed_forward",
    }
    slot_values: ClassVar = {"decoder_attention": {"mask": "causal"}}
    small: ClassVar = {
        "hidden_size": 24,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "num_heads": 3,
        "intermediate_size": 40,
        "vocab_size": 61,
        "max_positions": 20,
    }
    default_task: ClassVar[str] = "sequence_to_sequence_lm"

    hidden_size: PositiveInt = 512
    """Width of the hidden states."""
    num_layers: LayerCount = 6
    """Number of the encoder's layers."""
    num_decoder_layers: LayerCount = 6
    """Number of the decoder's layers."""
    num_heads: HeadCount = 8
    """Number of attention heads; must divide hidden_size."""
    intermediate_size: PositiveInt = 2048
    """Inner width of the feed-forward blocks."""
    vocab_size: PositiveInt = 37000
    """Number of token ids, of both languages."""
    max_positions: PositiveInt = 512
    """Longest sequence, of tokens and of targets."""
    dropout: Rate = 0.1
    """Dropout rate of embeddings and of each part of a layer."""
    attention_dropout: Rate = 0.0
    """Dropout rate of the attention weights."""
    activation: ActivationKind = "relu"
    """Activation of the feed-forward blocks."""
    layer_norm_epsilon: PositiveFloat = 1e-6
    """Epsilon of every norm."""
    output_bias: bool = False
    """Whether the words' scores have a bias; the paper has none, Marian has."""
    initializer: Initializer = GlorotUniform()
    """Initial values of every matrix; biases start at zero, the table from a normal of ``hidden_size ** -0.5``."""
    position: Position
    """How positions are told apart, in both sequences."""
    norm: Norm
    """The norm used throughout."""
    attention: SequenceMixer
    """What mixes the positions in the encoder."""
    decoder_attention: SequenceMixer
    """What mixes the positions in the decoder."""
    cross_attention: CrossMixer
    """What reads the encoder's states in the decoder."""
    feed_forward: FeedForwardBlock
    """What mixes the features in each layer."""

    def build(self, graph: GraphBuilder) -> Backbone:
        """``embeddings`` and ``encoder``; where asked for, ``decoder_embeddings`` and ``decoder``."""
        input_ids, _ = token_inputs(graph, self.max_positions, token_types=False)
        example_ids, positions = packing_inputs(graph)
        start = Normal(std=self.hidden_size**-0.5)
        table = Embedding(rows=self.vocab_size, size=self.hidden_size, initializer=start)
        x = self._placed(graph, "embeddings", graph.add("embeddings", table, input_ids), positions)
        layer = PostNormLayer(
            attention=self.attention, feed_forward=self.feed_forward, norm=self.norm, dropout=self.dropout
        )
        encoder = Stack(layer=layer, num_layers=self.num_layers)
        memory = graph.add("encoder", encoder, x, example_ids=example_ids, positions=positions)
        return Backbone(
            initializer=self.initializer,
            hidden_states=memory,
            table=Ref("embeddings", "table"),
            output=TiedDense(bias=True) if self.output_bias else None,
            decoder_states=lambda: self._decoded(graph, table, memory, example_ids),
            norm=self.norm,
            activation=self.activation,
            dropout=self.dropout,
        )

    def foreign_names(self) -> Mapping[str, NameTable]:
        """``transformers``' Marian or ``fairseq``, if the sines are theirs; others trained no such model."""
        position = self.position
        if not isinstance(position, SinusoidalPositions) or position.layout != "halves":
            return {}
        if (position.first, position.spacing) == (0, "open"):
            names = marian_names(position.size, self.hidden_size, output_bias=self.output_bias)
            return {"transformers": names}
        return {"fairseq": FAIRSEQ_NAMES} if (position.first, position.spacing) == FAIRSEQ_SINES else {}

    @classmethod
    def foreign_configs(cls) -> Mapping[str, ConfigTable]:
        """``transformers``' Marian, and ``fairseq``."""
        return {**MARIAN_CONFIGS, "fairseq": FAIRSEQ_CONFIG}

    def _placed(self, graph: GraphBuilder, name: str, x: Ref, positions: Ref) -> Ref:
        """Embedded tokens, scaled and told their positions."""
        x = graph.add(f"{name}_scale", Scale(factor=sqrt(self.hidden_size)), x)
        x = graph.add(f"{name}_position", self.position, x, positions=positions)
        return graph.add(f"{name}_dropout", Dropout(rate=self.dropout), x)

    def _decoded(self, graph: GraphBuilder, table: Embedding, memory: Ref, memory_example_ids: Ref) -> Ref:
        input_ids, example_ids = target_inputs(graph, self.max_positions)
        positions = decoder_positions_input(graph)
        x = graph.place("decoder_embeddings", table, {"x": input_ids}, owner="embeddings")
        x = self._placed(graph, "decoder_embeddings", x, positions)
        layer = PostNormDecoderLayer(
            attention=self.decoder_attention,
            cross_attention=self.cross_attention,
            feed_forward=self.feed_forward,
            norm=self.norm,
            dropout=self.dropout,
        )
        return graph.add(
            "decoder",
            DecoderStack(layer=layer, num_layers=self.num_decoder_layers),
            x,
            memory,
            example_ids=example_ids,
            positions=positions,
            memory_example_ids=memory_example_ids,
        )
