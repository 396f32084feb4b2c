"""Examples of images with masks: pixels and classes of an image, or of a tile of it."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.base import DataDescription, Dataset, Example, Split, example_bytes
from zoo_common.data.examples import make_examples
from zoo_common.data.generated import id_limits
from zoo_common.data.label_names import some, write_label_names
from zoo_common.data.makers.augmentation import cut, draw
from zoo_common.data.makers.picture_features import Preparation
from zoo_common.data.makers.tiles import Tile, tiles, window_of
from zoo_common.data.reader import Wanted
from zoo_common.data.records import AnyRecord, Records, open_records
from zoo_common.data.resize import resize_nearest
from zoo_spec.data import MaskedImageData
from zoo_spec.data.records import VOID, MaskedImage, Record
from zoo_spec.data_fit import image_size
from zoo_spec.errors import InputError
from zoo_spec.random import Stream
from zoo_spec.tasks.segmentation import DenseLabelling

Made = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""An image as it is fed, and the ids of its pixels."""


class MaskExamples(Dataset):
    """``image [height, width, channels]``, ``labels`` and ``label_weights [height, width]``, those in ``inputs``.

    Pixels that do not count, and those of a tile in evaluation that are another's own, have weight 0 and label 0.
    """

    def __init__(
        self,
        records: Records,
        preparation: Preparation,
        data: MaskedImageData,
        *,
        classes: int,
        seed: int,
        split: Split,
        inputs: frozenset[str],
    ) -> None:
        self._records, self._preparation, self._classes = records, preparation, classes
        self._seed, self._split, self._inputs = seed, split, inputs
        self._augmentation = data.augmentation if split == "train" else None
        self._tiles: list[tuple[int, Tile]] | None = None
        if data.stride is not None:
            shape = preparation.shape[:2]
            stride = (data.stride, data.stride) if split == "train" else shape
            sizes = (cast(MaskedImage, records[index]).image.size for index in range(len(records)))
            self._tiles = [
                (index, tile) for index, size in enumerate(sizes) for tile in tiles(size, shape, stride)
            ]

    def __len__(self) -> int:
        return len(self._records) if self._tiles is None else len(self._tiles)

    def description(self) -> DataDescription:
        """Where the examples come from and how large they are."""
        about = self._records.description()
        if self._tiles is not None:
            about = replace(
                about, notes=(*about.notes, f"{len(self._tiles):,} tiles of {len(self._records):,} images")
            )
        return replace(about, samples=len(self), bytes_per_sample=example_bytes(self))

    def example(self, epoch: int, index: int) -> Example:
        """One image, or one tile; without an augmentation it is the same in every epoch."""
        stream = Stream(self._seed, "augmentation", epoch, index) if self._augmentation else None
        number, tile = (index, None) if self._tiles is None else self._tiles[index]
        record = cast(MaskedImage, self._records[number])
        image, ids = self._whole(record, stream) if tile is None else self._tile(record, tile, stream)
        counts = ids != VOID
        labels = np.where(counts, ids, 0)
        if labels.max() >= self._classes:
            raise InputError(
                f"{record.where}: its mask has class {labels.max()}, and the model {self._classes} classes; set "
                f"task.classes to {int(labels.max()) + 1} or more"
            )
        example: Example = {
            "image": image,
            "labels": labels.astype(np.int32),
            "label_weights": counts.astype(np.float32),
        }
        return {name: value for name, value in example.items() if name in self._inputs}

    def _whole(self, record: MaskedImage, stream: Stream | None) -> Made:
        height, width, channels = self._preparation.shape
        scaled = self._preparation.scaled(record.image.pixels(channels))
        size = scaled.shape[0], scaled.shape[1]
        ids = resize_nearest(record.mask.ids(), *size)
        drawn = draw(self._augmentation, stream, size, self._preparation.middle(size), (height, width))
        image = self._preparation.normalised(drawn.of_image(scaled, height, width), record.highest)
        return image, drawn.of_mask(ids, height, width)

    def _tile(self, record: MaskedImage, tile: Tile, stream: Stream | None) -> Made:
        height, width, channels = self._preparation.shape
        wanted, size = self._augmentation, record.image.size
        # What is drawn moves the tile in the image, which has more than black around it.
        border = 0 if wanted is None or wanted.crop_padding is None else wanted.crop_padding
        window = window_of(tile, size, (height, width), border)
        pixels, ids = record.image.pixels(channels, window), record.mask.ids(window)
        if self._split == "eval":
            ids = _own(ids, tile, window)
        if wanted is not None and border:
            wanted = wanted.model_copy(update={"crop_padding": 0})
        drawn = draw(wanted, stream, (window[2], window[3]), (0, 0), (height, width))
        image = self._preparation.normalised(drawn.of_image(pixels, height, width), record.highest)
        return image, drawn.of_mask(ids, height, width)


def _own(ids: NDArray[np.uint8], tile: Tile, window: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Only the pixels that are the tile's own; the others do not count."""
    (first, last), (left, right) = tile.own_rows, tile.own_columns
    inside = ids[first - window[0] : last - window[0], left - window[1] : right - window[1]]
    return cut(inside, window[0] - first, window[1] - left, window[2], window[3], VOID)


class _Seen(AnyRecord):
    """Looks at the headers of an image; at all of it and its mask where bad ones are left out."""

    name = "images"

    def __init__(self, data: MaskedImageData, channels: int) -> None:
        self._data, self._channels = data, channels

    def about(self) -> JsonValue:
        """How many channels an image has to have."""
        return self._channels

    def look(self, record: Record) -> None:
        """Raises InputError, naming it, for an image that is none."""
        assert isinstance(record, MaskedImage)
        record.image.check(self._channels)
        if self._data.on_bad_record == "skip":
            record.image.pixels(self._channels)
            record.mask.ids()


@make_examples.register
def _segmentation(task: DenseLabelling, wanted: Wanted) -> MaskExamples:
    data = wanted.spec.data
    if not isinstance(data, MaskedImageData):
        raise InputError(
            f"data of kind {data.kind!r} gives images with masks and does not say how they are prepared: its class "
            "has to derive from zoo_spec.data.MaskedImageData"
        )
    shape = image_size(data, wanted.graph)
    classes = id_limits(wanted.graph, {}).get("labels", 2)
    names = data.class_names
    if names is not None and wanted.run_dir is not None and len(names) == classes:
        write_label_names(wanted.run_dir, names)
    if data.labels is not None and len(data.labels) != classes:
        raise InputError(
            f"data.labels names {some(data.labels)}, and the model has {classes} classes; name each, the "
            "background first"
        )
    records = open_records(data, wanted.split, _Seen(data, shape[-1]), wanted)
    return MaskExamples(
        records,
        Preparation(data, shape),
        data,
        classes=classes,
        seed=wanted.seed,
        split=wanted.split,
        inputs=wanted.inputs,
    )
