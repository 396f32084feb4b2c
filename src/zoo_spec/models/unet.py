"""UNet (Ronneberger et al., 2015): down by halves, up again, and across, to a feature map of the image's size."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.activation import ActivationKind, activation
from zoo_spec.blocks.convolution import Conv2d, MaxPool2d, TransposedConv2d
from zoo_spec.blocks.norm import ChannelNorm
from zoo_spec.blocks.reshape import Add, Concatenate
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.initializers import HeNormal, Initializer
from zoo_spec.models.base import Backbone, Model
from zoo_spec.models.inputs import image_input

Size = tuple[PositiveInt, PositiveInt]


class UNet(Model):
    """UNet in two dimensions; the defaults are the paper's sizes.

    Its convolutions are padded, so that the feature map is as large as the image; the paper's are not, and its
    skips are cropped. Where a block is residual, its input is added before its last activation (He et al.,
    2016), through a convolution of size 1 where the widths differ.
    """

    domain: ClassVar[str] = "vision"
    use: ClassVar[str] = "downstream task"
    paper: ClassVar[str] = "U-Net: Convolutional Networks for Biomedical Image Segmentation"
    year: ClassVar[str] = "2015"
    code: ClassVar[str] = "https://lmb.informatik.uni-freiburg.de/people/ronneber/u-net"
    weights: ClassVar[str] = "https://lmb.informatik.uni-freiburg.de/people/ronneber/u-net"

    kind: Literal["unet"] = "unet"
    small: ClassVar = {"image_size": (32, 32), "filters": (8, 12), "norm.groups": 2}
    default_task: ClassVar[str] = "segmentation"

    image_size: Size = (256, 256)
    """Height and width of the images; they must be halved once less than there are levels."""
    channels: PositiveInt = 1
    """Number of colours."""
    filters: tuple[PositiveInt, ...] = Field(default=(64, 128, 256, 512, 1024), min_length=2)
    """Width of each level on the way down, the image's own first."""
    decoder_filters: tuple[PositiveInt, ...] | None = None
    """Width of each level on the way up, from the lowest; null for those on the way down."""
    kernel_sizes: tuple[PositiveInt, ...] = Field(default=(3, 3), min_length=1)
    """Size of each convolution of a block; odd."""
    activation: ActivationKind = "relu"
    """Activation after each convolution."""
    norm: ChannelNorm | None = None
    """Norm between convolution and activation; null for none."""
    bias: bool | None = None
    """Whether the blocks' convolutions have biases; null: only without a norm, of which most undo a bias."""
    downsampling: Literal["max_pool", "strided_convolution"] = "max_pool"
    """How a level is halved; strided: a convolution of size 2 that keeps the width (Milletari et al., 2016)."""
    skip_connections: bool = True
    """Whether what a level gives on the way down stands beside what comes up to it."""
    residual: bool = False
    """Whether each block adds its input to its output."""
    initializer: Initializer = HeNormal()
    """Initial values of every kernel; biases start at zero."""

    def build(self, graph: GraphBuilder) -> Backbone:
        """``encoder_0_conv_0``, … on the way down; ``up_0``, ``skip_0``, ``decoder_0_conv_0``, … on the way up."""
        x = image_input(graph, *self.image_size, self.channels)
        levels = []
        for level, width in enumerate(self.filters):
            if level:
                x = graph.add(f"down_{level}", self._down(graph.resolve(x).width), x)
            x = self._block(graph, f"encoder_{level}", x, width)
            levels.append(x)
        for level, width in zip(reversed(range(len(levels) - 1)), self._decoder_filters, strict=True):
            up = TransposedConv2d(channels=width, initializer=self.initializer)
            x = graph.add(f"up_{level}", up, x)
            if self.skip_connections:
                x = graph.add(f"skip_{level}", Concatenate(), levels[level], x)
            x = self._block(graph, f"decoder_{level}", x, width)
        return Backbone(initializer=self.initializer, feature_map=x, activation=self.activation)

    def _down(self, width: int) -> MaxPool2d | Conv2d:
        if self.downsampling == "max_pool":
            return MaxPool2d()
        none = (0, 0)
        return Conv2d(
            channels=width, size=(2, 2), stride=(2, 2), padding=(none, none), initializer=self.initializer
        )

    def _block(self, graph: GraphBuilder, name: str, x: Ref, width: int) -> Ref:
        y = x
        for index, size in enumerate(self.kernel_sizes):
            y = graph.add(f"{name}_conv_{index}", self._conv(width, size), y)
            if self.norm is not None:
                y = graph.add(f"{name}_norm_{index}", self.norm, y)
            if self.residual and index == len(self.kernel_sizes) - 1:
                y = graph.add(f"{name}_add", Add(), y, self._shortcut(graph, name, x, width))
            y = graph.add(f"{name}_activation_{index}", activation(self.activation), y)
        return y

    def _shortcut(self, graph: GraphBuilder, name: str, x: Ref, width: int) -> Ref:
        if graph.resolve(x).width == width:
            return x
        # No bias: the block's last convolution, or its norm, has one already.
        block = Conv2d(
            channels=width, size=(1, 1), padding=((0, 0), (0, 0)), bias=False, initializer=self.initializer
        )
        return graph.add(f"{name}_shortcut", block, x)

    def _conv(self, width: int, size: int) -> Conv2d:
        half = (size // 2, size // 2)
        bias = self.norm is None if self.bias is None else self.bias
        return Conv2d(
            channels=width, size=(size, size), padding=(half, half), bias=bias, initializer=self.initializer
        )

    @property
    def _decoder_filters(self) -> tuple[int, ...]:
        return self.filters[-2::-1] if self.decoder_filters is None else self.decoder_filters

    @model_validator(mode="after")
    def _fits(self) -> UNet:
        halvings = len(self.filters) - 1
        if len(self._decoder_filters) != halvings:
            raise ValueError(
                f"decoder_filters has {len(self._decoder_filters)} widths; with {len(self.filters)} filters on the "
                f"way down it takes {halvings}, one for each level but the lowest"
            )
        even = [size for size in self.kernel_sizes if size % 2 == 0]
        if even:
            raise ValueError(
                f"kernel_sizes has {even[0]}, which is even, so it has no middle; take an odd one"
            )
        height, width = self.image_size
        unit = 2**halvings
        if height % unit or width % unit:
            nearest = [max(1, round(size / unit)) * unit for size in (height, width)]
            raise ValueError(
                f"image_size [{height}, {width}] cannot be halved {halvings} times, which {len(self.filters)} "
                f"filters ask for; take {nearest}, or fewer filters"
            )
        return self
