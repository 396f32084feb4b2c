"""BERT (Devlin et al., 2019): post-norm encoder, learned positions, two token types, pooled first token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.embeddings import Embeddings
from zoo_spec.blocks.layer import PostNormLayer, Stack
from zoo_spec.blocks.pooler import Pooler
from zoo_spec.foreign_names import NameTable
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.models.base import Backbone
from zoo_spec.models.bert_names import BERT_NAMES
from zoo_spec.models.inputs import packing_inputs, pooled_positions_input, token_inputs
from zoo_spec.models.transformer import Transformer


class Bert(Transformer):
    """BERT; the defaults are BERT-base, uncased, as google-research/bert and ``transformers`` publish it."""

    kind: Literal["bert"] = "bert"
    type_vocab_size: PositiveInt = 2
    """Number of token types: sentence A and B."""
    default_task: ClassVar[str] = "masked_lm_next_sentence"

    def build(self, graph: GraphBuilder) -> Backbone:
        """``embeddings``, ``encoder`` and, where asked for, ``pooler``."""
        input_ids, token_type_ids = token_inputs(graph, self.max_positions, token_types=True)
        example_ids, positions = packing_inputs(graph)
        embeddings = Embeddings(
            rows=self.vocab_size,
            size=self.hidden_size,
            type_rows=self.type_vocab_size,
            position=self.position,
            norm=self.norm,
            dropout=self.dropout,
            initializer=self.initializer,
        )
        layer = PostNormLayer(
            attention=self.attention, feed_forward=self.feed_forward, norm=self.norm, dropout=self.dropout
        )
        x = graph.add("embeddings", embeddings, input_ids, token_type_ids=token_type_ids, positions=positions)
        x = graph.add(
            "encoder",
            Stack(layer=layer, num_layers=self.num_layers),
            x,
            example_ids=example_ids,
            positions=positions,
        )
        return Backbone(
            initializer=self.initializer,
            hidden_states=x,
            table=Ref("embeddings", "table"),
            pooled=lambda: self._pooled(graph, x),
            norm=self.norm,
            activation=self.activation,
            dropout=self.dropout,
        )

    def foreign_names(self) -> Mapping[str, NameTable]:
        """``transformers`` and ``google-research/bert``."""
        return BERT_NAMES

    def _pooled(self, graph: GraphBuilder, x: Ref) -> Ref:
        pooler = Pooler(initializer=self.initializer)
        return graph.add("pooler", pooler, x, pooled_positions=pooled_positions_input(graph))
