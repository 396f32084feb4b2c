"""From pixels of any size to what a model is fed, the same in training, evaluation and prediction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.resize import resize
from zoo_spec.data import PictureData

Float32 = NDArray[np.float32]
Shape = tuple[int, int, int]
"""Height, width and channels of a model's input."""


class Preparation:
    """How images become a model's input of ``shape``: resized, cut out of the middle, scaled, normalised."""

    def __init__(self, data: PictureData, shape: Shape) -> None:
        """That ``data`` fits the ``shape`` has been seen to (``zoo_spec.data_fit``)."""
        self.shape, self._side = shape, data.shorter_side
        self._mean = np.asarray(data.mean, np.float64)
        self._std = np.asarray(data.std, np.float64)
        self._tables: dict[int, Float32] = {}

    def scaled_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size at which the window of ``shape`` is cut out."""
        if self._side is None:
            return self.shape[:2]
        shorter = min(size)
        height, width = (max(self._side, (2 * each * self._side + shorter) // (2 * shorter)) for each in size)
        return height, width

    def scaled(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8 | np.float64]:
        """``[height, width, channels]`` at ``scaled_size``, in units of a pixel's value."""
        wanted = self.scaled_size((pixels.shape[0], pixels.shape[1]))
        return pixels if pixels.shape[:2] == wanted else resize(pixels, *wanted)

    def middle(self, size: tuple[int, int]) -> tuple[int, int]:
        """Top and left of the window in the middle of so many pixels; below 0 where they are fewer."""
        return (size[0] - self.shape[0]) // 2, (size[1] - self.shape[1]) // 2

    def normalised(self, values: NDArray[np.uint8 | np.float64], highest: int) -> Float32:
        """Scaled so that a full pixel, ``highest``, is 1; then ``(pixel - mean) / std``."""
        if values.dtype != np.uint8:
            return self._normalised(values, highest)
        # Of bytes there are few: what becomes of each is looked up.
        table = self._tables.get(highest)
        if table is None:
            every = np.broadcast_to(np.arange(256.0)[:, None], (256, self.shape[-1]))
            table = self._tables[highest] = self._normalised(every, highest)
        if table.shape[1] == 1 or (table == table[:, :1]).all():
            return np.asarray(table[:, 0][values])
        return np.asarray(table[values, np.arange(self.shape[-1])])

    def plain(self, pixels: NDArray[np.uint8], highest: int) -> Float32:
        """The model's input for an image, without anything drawn."""
        scaled = self.scaled(pixels)
        top, left = self.middle((scaled.shape[0], scaled.shape[1]))
        return self.normalised(scaled[top : top + self.shape[0], left : left + self.shape[1]], highest)

    def _normalised(self, values: NDArray[np.uint8 | np.float64], highest: int) -> Float32:
        return ((values / highest - self._mean) / self._std).astype(np.float32)
