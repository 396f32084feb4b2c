"""Linformer (Wang et al., 2020): RoBERTa's encoder with attention whose cost is linear in the sequence's length."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveFloat, PositiveInt
from zoo_spec.blocks.embeddings import Embeddings
from zoo_spec.blocks.layer import Stack
from zoo_spec.blocks.linformer_attention import LayerwiseLinformerAttention
from zoo_spec.blocks.linformer_stack import LinformerLayer, LinformerStack
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.models.encoder import encode, examples, post_norm_stack
from zoo_spec.models.inputs import token_inputs
from zoo_spec.models.transformer import Transformer


class Linformer(Transformer):
    """Linformer without token types or next sentences, as the paper trains it; its rows are never packed.

    ``sharing`` has the paper's three levels within a layer. Its fourth, one projection for all layers, is another
    attention: ``attention: layerwise_linformer_attention``.
    """

    kind: Literal["linformer"] = "linformer"
    slots: ClassVar = {
        **Transformer.slots,
        "attention": {
            **Transformer.slots["attention"],
            "max_positions": "length",
            "projected_size": "size",
            "sharing": "sharing",
        },
    }
    slot_kinds: ClassVar = {**Transformer.slot_kinds, "attention": "linformer_attention"}
    small: ClassVar = {**Transformer.small, "projected_size": 6}
    default_task: ClassVar[str] = "masked_lm"
    domain: ClassVar[str] = "language"
    use: ClassVar[str] = "representation"
    paper: ClassVar[str] = "Linformer: Self-Attention with Linear Complexity"
    year: ClassVar[str] = "2020"
    code: ClassVar[str] = "https://github.com/facebookresearch/fairseq/tree/main/examples/linformer"
    weights: ClassVar[str] = "none published"

    layer_norm_epsilon: PositiveFloat = 1e-5
    """Epsilon of every norm."""
    projected_size: PositiveInt = 256
    """Rows that keys and values are projected to; the paper's k."""
    sharing: Literal["none", "heads", "key_value"] = "heads"
    """Who shares a projection: nobody (each head has two), all heads, or keys and values of all heads."""

    def build(self, graph: GraphBuilder) -> Backbone:
        """``embeddings``, ``encoder`` and, where asked for, ``pooler``."""
        input_ids, _ = token_inputs(graph, self.max_positions, token_types=False)
        embeddings = Embeddings(
            rows=self.vocab_size,
            size=self.hidden_size,
            position=self.added_position,
            norm=self.norm,
            dropout=self.dropout,
            initializer=self.initializer,
        )
        example_ids, positions = examples(graph, self)
        x = graph.add("embeddings", embeddings, input_ids, positions=positions)
        return encode(graph, self, self._stack(), x, example_ids=example_ids, positions=positions)

    def _stack(self) -> Stack:
        if not isinstance(self.attention, LayerwiseLinformerAttention):
            return post_norm_stack(self)
        layer = LinformerLayer(
            attention=self.attention,
            feed_forward=self.feed_forward,
            norm=self.norm,
            dropout=self.dropout,
        )
        return LinformerStack(layer=layer, num_layers=self.num_layers)
