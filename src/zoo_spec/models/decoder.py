"""What the GPT families share: a causal decoder over embeddings, a last norm, a head over the vocabulary."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import field_validator

from zoo_spec.base import PositiveFloat, PositiveInt
from zoo_spec.blocks.activation import ActivationKind
from zoo_spec.blocks.attention import Attention, SequenceMixer
from zoo_spec.blocks.base import Block
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.embeddings import Embeddings
from zoo_spec.blocks.layer import Layer, Stack
from zoo_spec.blocks.pooler import LastToken
from zoo_spec.blocks.tied_dense import TiedDense
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.initializers import Initializer, Normal, TruncatedNormal
from zoo_spec.models.base import Backbone
from zoo_spec.models.inputs import packing_inputs, pooled_positions_input, token_inputs
from zoo_spec.models.transformer import Transformer


class Decoder(Transformer):
    """A decoder alone: every position sees itself and those before it."""

    domain: ClassVar[str] = "language"
    use: ClassVar[str] = "downstream task"
    default_task: ClassVar[str] = "causal_lm"
    slot_values: ClassVar = {"attention": {"mask": "causal"}}

    vocab_size: PositiveInt = 50257
    """Number of token ids."""
    max_positions: PositiveInt = 1024
    """Longest sequence."""
    activation: ActivationKind = "gelu_tanh"
    """Activation of the feed-forward blocks; GELU is gelu_erf or gelu_tanh."""
    layer_norm_epsilon: PositiveFloat = 1e-5
    """Epsilon of every norm."""
    initializer: Initializer = Normal(std=0.02)
    """Initial values of every weight matrix and table; biases start at zero."""
    residual_initializer: Initializer | None = None
    """Initial values of the matrices whose products are added to the residual; null for the initializer with
    its standard deviation over sqrt(2 num_layers), of which as many are added (Radford et al., 2019, 2.3)."""
    table_initializer: Initializer | None = None
    """Initial values of the token table; null for the initializer."""
    tied_output: bool = True
    """Whether the output is the embedding's table, or a matrix of its own."""
    output_bias: bool = False
    """Whether the output has a bias."""

    def layer(self) -> Layer:
        """What each layer is."""
        raise TypeError(f"{type(self).__name__} says nothing of its layers")

    def stack(self) -> Block:
        """The layers and the last norm."""
        return Stack(layer=self.layer(), num_layers=self.num_layers, norm=self.norm)

    def build(self, graph: GraphBuilder) -> Backbone:
        """``embeddings``, ``decoder`` and, where asked for, ``last_token``."""
        input_ids, _ = token_inputs(graph, self.max_positions, token_types=False)
        example_ids, positions = packing_inputs(graph)
        embeddings = Embeddings(
            rows=self.vocab_size,
            size=self.hidden_size,
            position=self.added_position,
            dropout=self.dropout,
            initializer=self.initializer if self.table_initializer is None else self.table_initializer,
        )
        x = graph.add("embeddings", embeddings, input_ids, positions=positions)
        x = graph.add("decoder", self.stack(), x, example_ids=example_ids, positions=positions)

        def pooled() -> Ref:
            starts = pooled_positions_input(graph)
            return graph.add("last_token", LastToken(), x, example_ids=example_ids, pooled_positions=starts)

        return Backbone(
            initializer=self.initializer,
            hidden_states=x,
            table=Ref("embeddings", "table"),
            output=self._output(),
            pooled=pooled,
            norm=self.norm,
            activation=self.activation,
            dropout=self.dropout,
            is_decoder=True,
        )

    def parts(self) -> dict[str, object]:
        """The fields of a layer, its last matrices with the initial values that residuals need."""
        attention, last = self.placed_attention, self._residual()
        if isinstance(attention, Attention) and attention.project_initializer is None:
            attention = attention.model_copy(update={"project_initializer": last})
        feed_forward = self.feed_forward
        if feed_forward.outer_initializer is None:
            feed_forward = feed_forward.model_copy(update={"outer_initializer": last})
        return {
            "attention": attention,
            "feed_forward": feed_forward,
            "norm": self.norm,
            "dropout": self.dropout,
        }

    def _residual(self) -> Initializer:
        if self.residual_initializer is not None:
            return self.residual_initializer
        if isinstance(self.initializer, Normal | TruncatedNormal):
            std = self.initializer.std / math.sqrt(2 * self.num_layers)
            return self.initializer.model_copy(update={"std": std})
        return self.initializer

    def _output(self) -> Dense | TiedDense:
        if self.tied_output:
            return TiedDense(bias=self.output_bias)
        return Dense(size=self.vocab_size, bias=self.output_bias, initializer=self.initializer)

    @field_validator("attention")
    @classmethod
    def _causal(cls, attention: SequenceMixer) -> SequenceMixer:
        mask = getattr(attention, "mask", None)
        if mask != "causal":
            kind = attention.kind
            remedy = "leave its mask out" if mask else "choose attention, which has one"
            raise ValueError(
                f"{kind} shows each position those after it too, which it is to predict; {remedy}"
            )
        return attention
