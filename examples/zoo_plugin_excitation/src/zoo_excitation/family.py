"""A small convolutional network with squeeze-and-excitation: no line of it knows a framework."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from zoo_excitation.block import SqueezeExcitation
from zoo_spec.base import PositiveInt
from zoo_spec.blocks.activation import activation
from zoo_spec.blocks.convolution import Conv2d, MaxPool2d
from zoo_spec.blocks.reshape import Flatten
from zoo_spec.graph import GraphBuilder
from zoo_spec.initializers import HeNormal, Initializer
from zoo_spec.models.base import Backbone, Model
from zoo_spec.models.inputs import image_input


class ExcitedCnn(Model):
    """Convolution, relu, squeeze-and-excitation and max-pool, once for each width; then the pixels side by side."""

    kind: Literal["excited_cnn"] = "excited_cnn"
    small: ClassVar = {"image_size": (8, 12), "filters": (6, 8), "ratio": 2}
    default_task: ClassVar[str] = "image_classification"
    domain: ClassVar[str] = "vision"
    use: ClassVar[str] = "downstream task"
    paper: ClassVar[str] = "Squeeze-and-Excitation Networks"
    year: ClassVar[str] = "2018"

    image_size: tuple[PositiveInt, PositiveInt] = (28, 28)
    """Height and width of the images."""
    channels: PositiveInt = 1
    """Number of colours."""
    filters: tuple[PositiveInt, ...] = Field(default=(16, 32), min_length=1)
    """Width of each level."""
    ratio: PositiveInt = 4
    """By how much each squeeze-and-excitation reduces the channels inside."""
    initializer: Initializer = HeNormal()
    """Initial values of every weight; biases start at zero."""

    def build(self, graph: GraphBuilder) -> Backbone:
        """``conv_0``, ``activation_0``, ``excitation_0``, ``pool_0``, ``conv_1`` and so on."""
        x = image_input(graph, *self.image_size, self.channels)
        for level, width in enumerate(self.filters):
            x = graph.add(f"conv_{level}", Conv2d(channels=width, initializer=self.initializer), x)
            x = graph.add(f"activation_{level}", activation("relu"), x)
            excitation = SqueezeExcitation(ratio=self.ratio, initializer=self.initializer)
            x = graph.add(f"excitation_{level}", excitation, x)
            x = graph.add(f"pool_{level}", MaxPool2d(), x)
        features = graph.add("flatten", Flatten(), x)
        return Backbone(initializer=self.initializer, features=lambda: features)
