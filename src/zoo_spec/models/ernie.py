"""ERNIE 1.0, 2.0 and 3.0 (Sun et al., 2019, 2020, 2021): BERT's encoder, trained on phrases and more tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from zoo_spec.base import NonNegativeInt, PositiveFloat, PositiveInt
from zoo_spec.blocks.embeddings import Embeddings, TaskTypeEmbeddings
from zoo_spec.foreign.config import ConfigTable
from zoo_spec.foreign.names import NameTable
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.models.base import Backbone
from zoo_spec.models.encoder import encode, examples, post_norm_stack
from zoo_spec.models.ernie_config import ERNIE_CONFIGS
from zoo_spec.models.ernie_names import ERNIE_NAMES
from zoo_spec.models.ernie_paddle import PADDLE_CONFIGS, PADDLE_NAMES
from zoo_spec.models.inputs import TOKENS, token_inputs
from zoo_spec.models.transformer import Transformer
from zoo_spec.tensors import INT, TensorSpec


class Ernie(Transformer):
    """ERNIE; the defaults are ERNIE 2.0 base, English.

    From version 2.0 on a third table tells the pre-training tasks apart. Paddle, which all versions were trained
    with, has 1e-5 as its norms' epsilon; ``transformers``' own default is another.
    """

    kind: Literal["ernie"] = "ernie"
    small: ClassVar = {**Transformer.small, "task_type_vocab_size": 3}
    default_task: ClassVar[str] = "masked_lm_next_sentence"
    domain: ClassVar[str] = "language"
    use: ClassVar[str] = "representation"
    paper: ClassVar[str] = "ERNIE 2.0: A Continual Pre-training Framework for Language Understanding"
    year: ClassVar[str] = "2020"
    code: ClassVar[str] = "https://github.com/PaddlePaddle/ERNIE"
    weights: ClassVar[str] = "https://huggingface.co/nghuyong/ernie-2.0-base-en"

    layer_norm_epsilon: PositiveFloat = 1e-5
    """Epsilon of every norm."""
    type_vocab_size: PositiveInt = 4
    """Number of token types."""
    task_type_vocab_size: NonNegativeInt = 16
    """Number of task types; 0 for none, as in ERNIE 1.0."""

    def build(self, graph: GraphBuilder) -> Backbone:
        """``embeddings``, ``encoder`` and, where asked for, ``pooler``."""
        input_ids, token_type_ids = token_inputs(graph, self.max_positions, token_types=True)
        task_type_ids = self._task_types(graph)
        example_ids, positions = examples(graph, self)
        x = graph.add(
            "embeddings",
            self._embeddings(),
            input_ids,
            token_type_ids=token_type_ids,
            task_type_ids=task_type_ids,
            positions=positions,
        )
        return encode(graph, self, post_norm_stack(self), x, example_ids=example_ids, positions=positions)

    def foreign_names(self) -> Mapping[str, NameTable]:
        """``transformers``, ``paddle`` and, of 2019, ``ernie-2019``."""
        return {**ERNIE_NAMES, **PADDLE_NAMES}

    @classmethod
    def foreign_configs(cls) -> Mapping[str, ConfigTable]:
        """``transformers``, ``paddle`` and, of 2019, ``ernie-2019``."""
        return {**ERNIE_CONFIGS, **PADDLE_CONFIGS}

    def _task_types(self, graph: GraphBuilder) -> Ref | None:
        if not self.task_type_vocab_size:
            return None
        spec = TensorSpec(TOKENS, INT, optional=True, description="the task that the example is of")
        return graph.input("task_type_ids", spec)

    def _embeddings(self) -> Embeddings:
        plain = Embeddings(
            rows=self.vocab_size,
            size=self.hidden_size,
            type_rows=self.type_vocab_size,
            position=self.added_position,
            norm=self.norm,
            dropout=self.dropout,
            initializer=self.initializer,
        )
        if not self.task_type_vocab_size:
            return plain
        fields = {name: getattr(plain, name) for name in Embeddings.model_fields if name != "kind"}
        return TaskTypeEmbeddings(**fields, task_type_rows=self.task_type_vocab_size)
