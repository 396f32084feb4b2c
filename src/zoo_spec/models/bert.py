"""BERT (Devlin et al., 2019): post-norm encoder, learned positions, two token types, pooled first token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.embeddings import Embeddings
from zoo_spec.foreign.config import ConfigTable
from zoo_spec.foreign.names import NameTable
from zoo_spec.graph import GraphBuilder
from zoo_spec.models import keras_hub_encoders
from zoo_spec.models.base import Backbone
from zoo_spec.models.bert_config import BERT_CONFIGS
from zoo_spec.models.bert_google import GOOGLE_CONFIG
from zoo_spec.models.bert_names import BERT_NAMES
from zoo_spec.models.encoder import encode, examples, post_norm_stack
from zoo_spec.models.inputs import token_inputs
from zoo_spec.models.transformer import Transformer


class Bert(Transformer):
    """BERT; the defaults are BERT-base, uncased, as google-research/bert and ``transformers`` publish it."""

    kind: Literal["bert"] = "bert"
    type_vocab_size: PositiveInt = 2
    """Number of token types: sentence A and B."""
    default_task: ClassVar[str] = "masked_lm_next_sentence"
    domain: ClassVar[str] = "language"
    use: ClassVar[str] = "representation"
    paper: ClassVar[str] = "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding"
    year: ClassVar[str] = "2019"
    code: ClassVar[str] = "https://github.com/google-research/bert"
    weights: ClassVar[str] = "https://huggingface.co/google-bert"

    def build(self, graph: GraphBuilder) -> Backbone:
        """``embeddings``, ``encoder`` and, where asked for, ``pooler``."""
        input_ids, token_type_ids = token_inputs(graph, self.max_positions, token_types=True)
        example_ids, positions = examples(graph, self)
        embeddings = Embeddings(
            rows=self.vocab_size,
            size=self.hidden_size,
            type_rows=self.type_vocab_size,
            position=self.added_position,
            norm=self.norm,
            dropout=self.dropout,
            initializer=self.initializer,
        )
        x = graph.add("embeddings", embeddings, input_ids, token_type_ids=token_type_ids, positions=positions)
        return encode(graph, self, post_norm_stack(self), x, example_ids=example_ids, positions=positions)

    def foreign_names(self) -> Mapping[str, NameTable]:
        """``transformers``, ``google-research/bert`` and ``keras_hub``."""
        heads = getattr(self.attention, "num_heads", self.num_heads)
        return {**BERT_NAMES, "keras_hub": keras_hub_encoders.bert_names(self.num_layers, heads)}

    @classmethod
    def foreign_configs(cls) -> Mapping[str, ConfigTable]:
        """Of each of these sources."""
        return {
            **BERT_CONFIGS,
            "google-research/bert": GOOGLE_CONFIG,
            "keras_hub": keras_hub_encoders.BERT_CONFIG,
        }
