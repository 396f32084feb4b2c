"""What BERT and its descendants share: an encoder over embeddings, and a pooled first token where asked for."""

from __future__ import annotations

from zoo_spec.blocks.layer import PostNormLayer, Stack
from zoo_spec.blocks.pooler import Pooler
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.models.base import Backbone
from zoo_spec.models.inputs import example_ids_input, packing_inputs, pooled_positions_input
from zoo_spec.models.transformer import Transformer


def examples(graph: GraphBuilder, model: Transformer) -> tuple[Ref, Ref | None]:
    """``example_ids``, and ``positions`` unless the model's attention cannot keep the examples of a row apart."""
    return packing_inputs(graph) if model.attention.keeps_examples_apart else (example_ids_input(graph), None)


def post_norm_stack(model: Transformer) -> Stack:
    """Post-norm layers of the model's slots."""
    layer = PostNormLayer(
        attention=model.placed_attention,
        feed_forward=model.feed_forward,
        norm=model.norm,
        dropout=model.dropout,
    )
    return Stack(layer=layer, num_layers=model.num_layers)


def encode(
    graph: GraphBuilder,
    model: Transformer,
    stack: Stack,
    embeddings: Ref,
    *,
    example_ids: Ref,
    positions: Ref | None,
) -> Backbone:
    """Add ``encoder``, and ``pooler`` when a task asks for it; without ``positions`` rows are never packed."""
    x = graph.add("encoder", stack, embeddings, example_ids=example_ids, positions=positions)

    def pooled() -> Ref:
        starts = None if positions is None else pooled_positions_input(graph)
        return graph.add("pooler", Pooler(initializer=model.initializer), x, pooled_positions=starts)

    return Backbone(
        initializer=model.initializer,
        hidden_states=x,
        table=Ref(embeddings.source, "table"),
        pooled=pooled,
        norm=model.norm,
        activation=model.activation,
        dropout=model.dropout,
    )
