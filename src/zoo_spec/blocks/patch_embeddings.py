"""The input of a vision transformer: patches, a class token, and positions, also for images of another size."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from zoo_spec.base import PositiveInt, Rate
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError
from zoo_spec.blocks.convolution import Conv2d, Pair
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.position import LearnedPositions, Position
from zoo_spec.initializers import Initializer, TruncatedNormal
from zoo_spec.parameters import Parameter
from zoo_spec.tensors import TensorSpec


class PatchEmbeddings(Block):
    """Patches as tokens behind a class token, then positions and dropout (Dosovitskiy et al., 2021, equation 1).

    ``x [batch, height, width, channels]`` to ``[batch, 1 + patches, size]``, the patches row by row. Each is
    projected by one matrix, which is a convolution whose stride is its size.
    """

    kind: Literal["patch_embeddings"] = "patch_embeddings"
    size: PositiveInt
    """Width of a token's vector."""
    patch_size: PositiveInt
    """Height and width of a patch; must divide the image's."""
    position: Position | None = None
    """How positions are told apart; null: a learned vector for each token."""
    dropout: Rate = 0.0
    """Dropout rate of the sum."""
    initializer: Initializer = TruncatedNormal(std=0.02)
    """Initial values of the projection, the class token and the positions."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, 1 + patches, size]``."""
        (patch, patch_inputs), (position, position_inputs) = (
            self.children(inputs)[name] for name in ("patch", "position")
        )
        patch.infer(patch_inputs)
        return {"x": position.infer(position_inputs)["x"]}

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``class_token [1, size]``."""
        return {"class_token": Parameter((1, self.size), self.initializer, "embedding")}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``patch``, ``position`` and ``dropout``."""
        x = inputs["x"]
        rows, columns = self.grid(x)
        patch = Conv2d(
            channels=self.size,
            size=(self.patch_size, self.patch_size),
            stride=(self.patch_size, self.patch_size),
            padding=((0, 0), (0, 0)),
            initializer=self.initializer,
        )
        length = 1 + rows * columns
        tokens = {"x": TensorSpec((x.shape[0], length, self.size), axes=("batch", "sequence", "hidden"))}
        learned = LearnedPositions(size=length, initializer=self.initializer)
        return {
            "patch": (patch, inputs),
            "position": (self.position or learned, tokens),
            "dropout": (Dropout(rate=self.dropout), tokens),
        }

    def grid(self, x: TensorSpec) -> Pair:
        """Rows and columns of patches of an image; ShapeError for one that they do not divide."""
        if x.rank != 4 or not all(isinstance(size, int) for size in x.shape[1:]):
            raise ShapeError("needs an image [batch, height, width, channels] of known sizes")
        height, width = int(x.shape[1]), int(x.shape[2])
        if height % self.patch_size or width % self.patch_size:
            raise ShapeError(
                f"cuts patches of {self.patch_size} by {self.patch_size}, and an image of {height} by {width} is "
                "no multiple of that"
            )
        return height // self.patch_size, width // self.patch_size


class InterpolatedPositions(Position):
    """Learned positions of one grid of patches, stretched to another (Dosovitskiy et al., 2021, 3.2).

    The class token keeps its own; the others are interpolated bicubically by a fixed matrix.
    """

    kind: Literal["interpolated_positions"] = "interpolated_positions"
    optional: ClassVar[tuple[str, ...]] = ()
    learned_grid: Pair
    """Rows and columns of patches that there is a learned vector for."""
    grid: Pair
    """Rows and columns of patches of the images."""
    initializer: Initializer = TruncatedNormal(std=0.02)
    """Initial values of the table."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape; refuses another number of tokens than the grid's and the class token."""
        outputs = super().infer(inputs)
        rows, columns = self.grid
        if inputs["x"].shape[1] != 1 + rows * columns:
            raise ShapeError(
                f"has positions for a class token and {rows} by {columns} patches, and meets "
                f"{inputs['x'].shape[1]} tokens"
            )
        return outputs

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight [1 + learned patches, hidden]``, the class token's first."""
        rows, columns = self.learned_grid
        shape = (1 + rows * columns, inputs["x"].width)
        return {"weight": Parameter(shape, self.initializer, "embedding")}


def interpolation_matrix(learned_grid: Pair, grid: Pair) -> NDArray[np.float64]:
    """``[new patches, learned patches]``: bicubic interpolation of a grid of vectors, row by row.

    It is torch's ``interpolate(mode="bicubic", align_corners=False, antialias=False)``, as a product.
    """
    rows, columns = (_bicubic(old, new) for old, new in zip(learned_grid, grid, strict=True))
    return np.kron(rows, columns).astype(np.float64)


def _bicubic(old: int, new: int) -> NDArray[np.float64]:
    """``[new, old]``: cubic convolution (Keys, 1981) with a = -0.75, centres at half-integers, the edge repeated."""
    place = (np.arange(new) + 0.5) * (old / new) - 0.5
    first = np.floor(place).astype(int)
    matrix = np.zeros((new, old))
    for tap in range(-1, 3):
        weights = _cubic(np.abs(place - (first + tap)))
        np.add.at(matrix, (np.arange(new), np.clip(first + tap, 0, old - 1)), weights)
    return matrix


def _cubic(distance: NDArray[np.float64], a: float = -0.75) -> NDArray[np.float64]:
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
