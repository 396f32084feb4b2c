"""Which way a model may look: back alone where the next token is predicted, both ways where a masked one is."""

from __future__ import annotations

from zoo_spec.blocks.attention import SequenceMixer
from zoo_spec.blocks.base import Block
from zoo_spec.blocks.relative_attention import BiasedMixer
from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph import Graph, GraphBuilder
from zoo_spec.models.base import Backbone


def require_causal(graph: GraphBuilder, task: str) -> None:
    """Raise SpecError if a mixer of the graph so far shows positions those after them."""
    for place in graph.folded():
        if isinstance(place.block, SequenceMixer | BiasedMixer):
            require_causal_mixer(graph, place.block, place.path, task)


def require_causal_mixer(graph: GraphBuilder, mixer: Block, path: str, task: str) -> None:
    """The same for one mixer; one without a mask, like Linformer's, looks both ways."""
    if getattr(mixer, "mask", None) != "causal":
        message = (
            f"{task} predicts each next token, which {mixer.kind} at {path} of {graph.name} "
            f"shows{graph.whose}; give it the mask causal, or choose another task"
        )
        raise SpecError(Problem(message, "task.kind"))


def looks_back_alone(graph: Graph) -> bool:
    """Whether every mixer shows a position those before it alone, as in a model of running text."""
    mixers = [place.block for place in graph.folded() if isinstance(place.block, SequenceMixer | BiasedMixer)]
    return bool(mixers) and all(getattr(mixer, "mask", None) == "causal" for mixer in mixers)


def require_both_sides(graph: GraphBuilder, backbone: Backbone, task: str) -> None:
    """Raise SpecError for a decoder; an encoder whose attention a spec made causal is its author's experiment."""
    if backbone.is_decoder:
        message = (
            f"{task} predicts masked tokens from both sides, and {graph.name}{graph.whose} sees the left alone; "
            "choose a model that looks both ways, or the task causal_lm"
        )
        raise SpecError(Problem(message, "task.kind"))
