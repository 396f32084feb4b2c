"""No head and no loss: the backbone's own outputs, and, where asked for, one vector for a text."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator

from zoo_spec.blocks.pooling import Pooling, UnitLength
from zoo_spec.blocks.reshape import Concatenate
from zoo_spec.data.records import Record, RunningText
from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.models.base import Backbone
from zoo_spec.models.inputs import pooled_positions_input
from zoo_spec.tasks import predictions
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.predictions import Prediction


def _as_tuple(value: object) -> object:
    if isinstance(value, str | dict | Pooling):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class Representation(Task):
    """Outputs ``hidden_states`` and ``pooled``, or ``features``, whichever the backbone gives, and ``sentence``."""

    kind: Literal["representation"] = "representation"
    learns_from: ClassVar[tuple[type[Record], ...]] = (RunningText,)
    pooling: Annotated[tuple[Pooling, ...], BeforeValidator(_as_tuple)] = ()
    """What makes the one vector ``sentence`` of a text's tokens; of several, side by side in this order. Without any
    there is no such output."""
    normalize: bool = False
    """Whether ``sentence`` is brought to length 1."""

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Name the backbone's outputs; ``pooling`` and ``unit_length`` make ``sentence``."""
        if backbone.hidden_states is not None:
            graph.output("hidden_states", backbone.hidden_states)
        if backbone.feature_map is not None:
            graph.output("feature_map", backbone.feature_map)
        if backbone.pooled is not None:
            graph.output("pooled", backbone.pooled())
        if backbone.features is not None:
            graph.output("features", backbone.features())
        if self.pooling:
            graph.output("sentence", self._sentence(graph, backbone))

    def prediction(self) -> Prediction:
        """The embeddings themselves."""
        return predictions.Embeddings()

    def _sentence(self, graph: GraphBuilder, backbone: Backbone) -> Ref:
        x = backbone.hidden_states
        if x is None or graph.resolve(x).shape[:2] != ("batch", "sequence"):
            message = (
                f"pooling is over the hidden states of tokens, which {graph.name} does not give{graph.whose}; leave "
                "it out, or choose another model"
            )
            raise SpecError(Problem(message, "task.pooling"))
        wires = {"example_ids": Ref("example_ids") if "example_ids" in graph.inputs else None}
        wires["pooled_positions"] = pooled_positions_input(graph) if "positions" in graph.inputs else None
        several = len(self.pooling) > 1
        parts = [
            graph.add(
                f"pooling_{number}" if several else "pooling",
                block,
                x,
                **{port: wire for port, wire in wires.items() if port in block.optional},
            )
            for number, block in enumerate(self.pooling)
        ]
        vector = graph.add("pooling", Concatenate(), *parts) if several else parts[0]
        return graph.add("unit_length", UnitLength(), vector) if self.normalize else vector
