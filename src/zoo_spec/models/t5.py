"""T5 (Raffel et al., 2020) and T5 v1.1 (Shazeer, 2020): an encoder and a decoder told positions by distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from zoo_spec.base import LayerCount, PositiveFloat, PositiveInt, Rate
from zoo_spec.blocks.activation import ActivationKind
from zoo_spec.blocks.cross_attention import CrossMixer
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.embedding import Embedding
from zoo_spec.blocks.feed_forward import FeedForwardBlock
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.relative_attention import BiasedMixer
from zoo_spec.blocks.relative_layer import (
    RelativeDecoderLayer,
    RelativeDecoderStack,
    RelativeLayer,
    RelativeStack,
)
from zoo_spec.blocks.relative_position import PositionBias
from zoo_spec.blocks.tied_dense import TiedDense
from zoo_spec.foreign.config import ConfigTable
from zoo_spec.foreign.names import NameTable
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.initializers import Initializer, LecunNormal, Normal
from zoo_spec.models import keras_hub_decoders
from zoo_spec.models.base import Backbone, Model
from zoo_spec.models.inputs import example_ids_input, target_inputs, token_inputs
from zoo_spec.models.t5_config import T5_CONFIGS
from zoo_spec.models.t5_mesh import MESH_CONFIG, mesh_names
from zoo_spec.models.t5_names import t5_names

_HEADS = {"num_heads": "num_heads", "head_size": "head_size", "attention_dropout": "dropout"}


class T5(Model):
    """T5; the defaults are the first version's base size.

    Version 1.1 has a gated feed-forward (``gelu_tanh``), an output of its own (``tied_output`` false) and states
    that go into it unscaled (``scaled_output`` false). A task that has no target sequence gets the encoder alone.
    Tables start as mesh-tensorflow starts them. Dropout stands where the authors' code has it, and draws for each
    position alone, as in ``transformers``; that of the authors drops a feature for a whole sequence at once.
    """

    domain: ClassVar[str] = "language"
    use: ClassVar[str] = "representation"
    paper: ClassVar[str] = "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer"
    year: ClassVar[str] = "2020"
    code: ClassVar[str] = "https://github.com/google-research/text-to-text-transfer-transformer"
    weights: ClassVar[str] = "https://huggingface.co/google-t5"

    kind: Literal["t5"] = "t5"
    slots: ClassVar = {
        "position": {"num_heads": "num_heads"},
        "decoder_position": {"num_heads": "num_heads"},
        "norm": {"layer_norm_epsilon": "epsilon"},
        "attention": _HEADS,
        "decoder_attention": _HEADS,
        "cross_attention": _HEADS,
        "feed_forward": {
            "intermediate_size": "size",
            "activation": "activation",
            "activation_dropout": "dropout",
        },
    }
    slot_defaults: ClassVar = ("initializer",)
    slot_kinds: ClassVar = {
        "position": "relative_positions",
        "decoder_position": "relative_positions",
        "norm": "rms_norm",
        "attention": "relative_attention",
        "decoder_attention": "relative_attention",
        "cross_attention": "unscaled_cross_attention",
        "feed_forward": "feed_forward",
    }
    slot_values: ClassVar = {
        "decoder_position": {"mask": "causal"},
        "decoder_attention": {"mask": "causal"},
        "feed_forward": {"bias": False},
    }
    small: ClassVar = {
        "hidden_size": 24,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "num_heads": 3,
        "head_size": 10,
        "intermediate_size": 40,
        "vocab_size": 61,
        "max_positions": 150,  # Beyond the distances that share a bucket.
    }
    default_task: ClassVar[str] = "span_corruption"

    hidden_size: PositiveInt = 768
    """Width of the hidden states."""
    num_layers: LayerCount = 12
    """Number of the encoder's layers."""
    num_decoder_layers: LayerCount = 12
    """Number of the decoder's layers."""
    num_heads: PositiveInt = 12
    """Number of attention heads."""
    head_size: PositiveInt = 64
    """Width of a head; the heads together need not be as wide as the hidden states."""
    intermediate_size: PositiveInt = 3072
    """Inner width of the feed-forward blocks."""
    vocab_size: PositiveInt = 32128
    """Number of token ids."""
    max_positions: PositiveInt = 512
    """Longest sequence, of tokens and of targets; no weight depends on it."""
    dropout: Rate = 0.1
    """Dropout rate of embeddings, of each part of a layer and of both stacks' outputs."""
    attention_dropout: Rate = 0.1
    """Dropout rate of the attention weights."""
    activation_dropout: Rate = 0.1
    """Dropout rate inside the feed-forward blocks, of what goes into the last projection."""
    activation: ActivationKind = "relu"
    """Activation of the feed-forward blocks."""
    layer_norm_epsilon: PositiveFloat = 1e-6
    """Epsilon of every norm."""
    tied_output: bool = True
    """Whether the output is the embedding's table, or a matrix of its own."""
    scaled_output: bool = True
    """Whether the states that go into the output are multiplied by ``hidden_size ** -0.5``."""
    initializer: Initializer = LecunNormal()
    """Initial values of every matrix but the queries'."""
    position: PositionBias
    """What the encoder's attention is told of distances."""
    decoder_position: PositionBias
    """The same of the decoder's."""
    norm: Norm
    """The norm used throughout."""
    attention: BiasedMixer
    """What mixes the positions in the encoder."""
    decoder_attention: BiasedMixer
    """What mixes the positions in the decoder."""
    cross_attention: CrossMixer
    """What reads the encoder's states in the decoder."""
    feed_forward: FeedForwardBlock
    """What mixes the features in each layer."""

    def build(self, graph: GraphBuilder) -> Backbone:
        """``embeddings`` and ``encoder``; where asked for, ``decoder_embeddings`` and ``decoder``."""
        input_ids, _ = token_inputs(graph, self.max_positions, token_types=False)
        example_ids = example_ids_input(graph)
        table = Embedding(rows=self.vocab_size, size=self.hidden_size, initializer=Normal(std=1.0))
        x = graph.add("embeddings", table, input_ids)
        x = graph.add("embeddings_dropout", Dropout(rate=self.dropout), x)
        layer = RelativeLayer(
            attention=self.attention, feed_forward=self.feed_forward, norm=self.norm, dropout=self.dropout
        )
        encoder = RelativeStack(
            position=self.position, layer=layer, num_layers=self.num_layers, norm=self.norm
        )
        x = graph.add("encoder", encoder, x, example_ids=example_ids)
        memory = graph.add("encoder_dropout", Dropout(rate=self.dropout), x)
        tied = TiedDense() if self.tied_output else None
        own = Dense(size=self.vocab_size, bias=False, initializer=self.initializer)
        return Backbone(
            initializer=self.initializer,
            hidden_states=memory,
            table=Ref("embeddings", "table"),
            output=tied or own,
            output_scale=self.hidden_size**-0.5 if self.scaled_output else 1.0,
            decoder_states=lambda: self._decoded(graph, table, memory, example_ids),
            norm=self.norm,
            activation=self.activation,
            dropout=self.dropout,
        )

    def foreign_names(self) -> Mapping[str, NameTable]:
        """``transformers``, ``mesh-t5`` and, of two stacks as deep as each other, ``keras_hub``."""
        block, tied = self.feed_forward, self.tied_output
        layers, decoder_layers = self.num_layers, self.num_decoder_layers
        return {
            "transformers": t5_names(block, tied_output=tied),
            "mesh-t5": mesh_names(block, layers, decoder_layers, tied_output=tied),
            **(
                {"keras_hub": keras_hub_decoders.t5_names(block, layers, tied_output=tied)}
                if layers == decoder_layers
                else {}
            ),
        }

    @classmethod
    def foreign_configs(cls) -> Mapping[str, ConfigTable]:
        """Of each of these sources."""
        return {**T5_CONFIGS, "mesh-t5": MESH_CONFIG, "keras_hub": keras_hub_decoders.T5_CONFIG}

    def _decoded(self, graph: GraphBuilder, table: Embedding, memory: Ref, memory_example_ids: Ref) -> Ref:
        input_ids, example_ids = target_inputs(graph, self.max_positions)
        x = graph.place("decoder_embeddings", table, {"x": input_ids}, owner="embeddings")
        x = graph.add("decoder_embeddings_dropout", Dropout(rate=self.dropout), x)
        layer = RelativeDecoderLayer(
            attention=self.decoder_attention,
            cross_attention=self.cross_attention,
            feed_forward=self.feed_forward,
            norm=self.norm,
            dropout=self.dropout,
        )
        decoder = RelativeDecoderStack(
            position=self.decoder_position, layer=layer, num_layers=self.num_decoder_layers, norm=self.norm
        )
        x = graph.add(
            "decoder", decoder, x, memory, example_ids=example_ids, memory_example_ids=memory_example_ids
        )
        return graph.add("decoder_dropout", Dropout(rate=self.dropout), x)
