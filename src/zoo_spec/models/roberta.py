"""RoBERTa (Liu et al., 2019): BERT without next sentences and token types, positions offset by two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from zoo_spec.base import NonNegativeInt, PositiveFloat, PositiveInt
from zoo_spec.blocks.embeddings import Embeddings
from zoo_spec.foreign.config import ConfigTable
from zoo_spec.foreign.names import NameTable
from zoo_spec.graph import GraphBuilder
from zoo_spec.models import keras_hub_encoders
from zoo_spec.models.base import Backbone
from zoo_spec.models.encoder import encode, examples, post_norm_stack
from zoo_spec.models.inputs import token_inputs
from zoo_spec.models.roberta_config import ROBERTA_CONFIGS
from zoo_spec.models.roberta_fairseq import FAIRSEQ_CONFIG, FAIRSEQ_NAMES
from zoo_spec.models.roberta_names import ROBERTA_NAMES
from zoo_spec.models.transformer import Transformer


class Roberta(Transformer):
    """RoBERTa; the defaults are RoBERTa-base, as fairseq trained it and ``transformers`` publishes it.

    Its vocabulary is byte-level BPE (GPT-2's merges, fairseq's ids): ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2,
    ``<unk>`` 3, ``<mask>`` 50,264. Positions count from 0 within an example, as everywhere here; that the
    published tables begin with two rows that no position uses is the business of the ``position`` slot.
    """

    kind: Literal["roberta"] = "roberta"
    slot_kinds: ClassVar = {**Transformer.slot_kinds, "position": "offset_positions"}
    default_task: ClassVar[str] = "masked_lm"
    domain: ClassVar[str] = "language"
    use: ClassVar[str] = "representation"
    paper: ClassVar[str] = "RoBERTa: A Robustly Optimized BERT Pretraining Approach"
    year: ClassVar[str] = "2019"
    code: ClassVar[str] = "https://github.com/facebookresearch/fairseq/tree/main/examples/roberta"
    weights: ClassVar[str] = "https://huggingface.co/FacebookAI/roberta-base"

    vocab_size: PositiveInt = 50265
    """Number of token ids."""
    layer_norm_epsilon: PositiveFloat = 1e-5
    """Epsilon of every norm."""
    type_vocab_size: NonNegativeInt = 1
    """Rows of a token type table. The published models have no token types: the one row that ``transformers`` keeps,
    zeros in the published weights, is added to every token alike; 0 leaves it out, as fairseq does."""

    def build(self, graph: GraphBuilder) -> Backbone:
        """``embeddings``, ``encoder`` and, where asked for, ``pooler``."""
        types = self.type_vocab_size > 1
        input_ids, token_type_ids = token_inputs(graph, self.max_positions, token_types=types)
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
        """``transformers``, ``fairseq`` and ``keras_hub``."""
        heads = getattr(self.attention, "num_heads", self.num_heads)
        unused = getattr(self.position, "offset", 0)
        presets = keras_hub_encoders.roberta_names(self.num_layers, heads, unused)
        return {**ROBERTA_NAMES, "fairseq": FAIRSEQ_NAMES, "keras_hub": presets}

    @classmethod
    def foreign_configs(cls) -> Mapping[str, ConfigTable]:
        """Of each of these sources."""
        return {
            **ROBERTA_CONFIGS,
            "fairseq": FAIRSEQ_CONFIG,
            "keras_hub": keras_hub_encoders.ROBERTA_CONFIG,
        }
