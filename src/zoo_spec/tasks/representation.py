"""No head and no loss: the backbone's own outputs."""

from __future__ import annotations

from typing import Literal

from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.tasks import predictions
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.predictions import Prediction


class Representation(Task):
    """Outputs ``hidden_states`` and ``pooled``, or ``features``, whichever the backbone gives."""

    kind: Literal["representation"] = "representation"

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Name the backbone's outputs."""
        if backbone.hidden_states is not None:
            graph.output("hidden_states", backbone.hidden_states)
        if backbone.feature_map is not None:
            graph.output("feature_map", backbone.feature_map)
        if backbone.pooled is not None:
            graph.output("pooled", backbone.pooled())
        if backbone.features is not None:
            graph.output("features", backbone.features())

    def prediction(self) -> Prediction:
        """The embeddings themselves."""
        return predictions.Embeddings()
