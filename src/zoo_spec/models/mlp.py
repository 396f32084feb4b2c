"""Multilayer perceptron on images: the MNIST network (LeCun et al., 1998, 784-500-300-10 and deeper)."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt, Rate
from zoo_spec.blocks.activation import ActivationKind, activation
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.reshape import Flatten
from zoo_spec.graph import GraphBuilder
from zoo_spec.initializers import GlorotUniform, Initializer
from zoo_spec.models.base import Backbone, Model
from zoo_spec.models.inputs import image_input


class Mlp(Model):
    """Flattened pixels through dense layers, each followed by an activation."""

    kind: Literal["mlp"] = "mlp"
    image_size: tuple[PositiveInt, PositiveInt] = (28, 28)
    """Height and width of the images."""
    channels: PositiveInt = 1
    """Number of colours."""
    hidden_sizes: tuple[PositiveInt, ...] = (500, 300)
    """Width of each hidden layer."""
    activation: ActivationKind = "relu"
    """Activation after each hidden layer."""
    dropout: Rate = 0.0
    """Dropout rate after each hidden layer."""
    initializer: Initializer = GlorotUniform()
    """Initial values of every weight matrix; biases start at zero."""
    small: ClassVar = {"image_size": (6, 7), "hidden_sizes": (13, 11, 9, 8, 7, 8, 9, 8, 7, 8)}
    default_task: ClassVar[str] = "image_classification"
    domain: ClassVar[str] = "vision"
    use: ClassVar[str] = "downstream task"
    paper: ClassVar[str] = "Gradient-Based Learning Applied to Document Recognition"
    year: ClassVar[str] = "1998"

    def build(self, graph: GraphBuilder) -> Backbone:
        """``flatten``, then ``hidden_0``, ``activation_0``, ``hidden_1`` and so on."""
        height, width = self.image_size
        x = graph.add("flatten", Flatten(), image_input(graph, height, width, self.channels))
        for index, size in enumerate(self.hidden_sizes):
            x = graph.add(f"hidden_{index}", Dense(size=size, initializer=self.initializer), x)
            x = graph.add(f"activation_{index}", activation(self.activation), x)
            if self.dropout:
                x = graph.add(f"dropout_{index}", Dropout(rate=self.dropout), x)
        return Backbone(initializer=self.initializer, features=lambda: x)
