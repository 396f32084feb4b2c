"""Images in; the class of each pixel out, as a PNG beside an answer that says how much there is of each."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import JsonValue

from zoo_common.data.label_names import read_label_names
from zoo_common.data.makers.augmentation import cut
from zoo_common.data.makers.picture_features import Preparation
from zoo_common.data.makers.tiles import Tile, tiles
from zoo_common.data.resize import resize_nearest
from zoo_common.data.sources.pictures import SUFFIXES
from zoo_common.files import explained
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.image_files import read_images
from zoo_common.prediction.lines import Line
from zoo_common.prediction.opening import Asked, open_prediction
from zoo_common.prediction.probabilities import Names, rounded, told
from zoo_spec.data import GeneratedShapes, ImageData, MaskedImageData, PictureData
from zoo_spec.data_fit import image_size
from zoo_spec.errors import InputError
from zoo_spec.tasks import predictions

Ids = NDArray[np.uint8]
_FULL = 255


class Masks:
    """A line is the path of a file with one image or many; each has a mask of its own size in the folder ``output``.

    An image goes in as in training: resized, or, where that was in tiles or of shapes, in tiles as it is. Of two
    classes the mask has 0 and 255, of more their ids and a palette.
    """

    key = "file"
    reads_files = True
    endings = (*SUFFIXES, ".npy")

    def __init__(
        self,
        logits: str,
        data: PictureData,
        preparation: Preparation,
        names: Names,
        classes: int,
        output: Path,
    ) -> None:
        self.outputs: tuple[str, ...] = (logits,)
        self._data, self._preparation, self._names, self._classes = data, preparation, names, classes
        self._output = output
        self._in_tiles = not isinstance(data, MaskedImageData) or data.stride is not None
        self._written: dict[Path, str] = {}

    def items(self, line: Line) -> Iterator[Item]:
        """An item for each tile of each image of the file; the last one answers for its image."""
        shape = self._preparation.shape
        for index, pixels in read_images(line.text, shape[-1], self._data.limits):
            path = self._path(line.text, index)
            scaled = pixels if self._in_tiles else self._preparation.scaled(pixels)
            size = scaled.shape[0], scaled.shape[1]
            found = np.zeros(size, np.uint8)
            stride = self._data.stride if isinstance(self._data, MaskedImageData) else None
            every = tiles(size, shape[:2], shape[:2] if stride is None else (stride, stride))
            where: Answer = {"file": line.text} if index is None else {"file": line.text, "index": index}
            for number, tile in enumerate(every, start=1):
                values = cut(scaled, tile.top, tile.left, *shape[:2], 0)
                image = self._preparation.normalised(values, _FULL)
                finish = self._finishing(found, path, (pixels.shape[0], pixels.shape[1]))
                yield Item(
                    where, {"image": image}, self._part(found, tile, finish if number == len(every) else None)
                )

    def _part(
        self, found: Ids, tile: Tile, finish: Callable[[], Answer] | None
    ) -> Callable[[Row], Answer | None]:
        """Takes a tile's own pixels into the whole; the last one answers."""

        def answer(row: Row) -> Answer | None:
            logits = np.asarray(row[self.outputs[0]], np.float64)
            ids = (logits > 0 if logits.ndim == 2 else np.argmax(logits, -1)).astype(np.uint8)
            (first, last), (left, right) = tile.own_rows, tile.own_columns
            own = ids[first - tile.top : last - tile.top, left - tile.left : right - tile.left]
            found[first:last, left:right] = own
            return None if finish is None else finish()

        return answer

    def _finishing(self, found: Ids, path: Path, size: tuple[int, int]) -> Callable[[], Answer]:
        def finish() -> Answer:
            ids = resize_nearest(found, *size)
            self._write(path, ids)
            counts = np.bincount(ids.ravel(), minlength=self._classes) / ids.size
            shares: JsonValue = {
                str(told(id_, self._names)): rounded(share) for id_, share in enumerate(counts)
            }
            return {"mask": str(path), "shares": shares}

        return finish

    def _path(self, file: str, index: int | None) -> Path:
        """A name in the folder that no other image has; InputError where it would be the image itself."""
        stem = Path(file).stem + ("" if index is None else f"_{index}")
        said = f"{os.path.abspath(file)} {index}"
        number, path = 1, self._output / f"{stem}.png"
        while self._written.setdefault(path, said) != said:
            number += 1
            path = self._output / f"{stem}_{number}.png"
        if path.resolve() == Path(file).resolve():
            raise InputError(f"{file}: its mask would take its place; give another folder as --output")
        return path

    def _write(self, path: Path, ids: Ids) -> None:
        if self._classes == 2:
            picture = Image.fromarray(ids * np.uint8(_FULL))
        else:
            picture = Image.fromarray(ids).convert("P")
            picture.putdata(ids.ravel())
            picture.putpalette(palette().ravel().tolist())
        whole = io.BytesIO()
        picture.save(whole, "PNG")
        with explained("write", path):
            self._output.mkdir(parents=True, exist_ok=True)
            path.write_bytes(whole.getvalue())


def palette() -> NDArray[np.uint8]:
    """The colours ``[256, 3]`` that Pascal VOC gives ids: their bits, dealt out to red, green and blue."""
    ids = np.arange(256)
    colours = np.zeros((256, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (ids >> (3 * bit + channel) & 1) << (7 - bit)
    return colours.astype(np.uint8)


@open_prediction.register
def _masks(declared: predictions.Masks, asked: Asked) -> Masks:
    asked.refuse_top("an image is answered with a mask")
    data = asked.spec.data
    if not isinstance(data, PictureData | GeneratedShapes):
        raise asked.not_trained_on("images")
    if asked.output is None:
        raise InputError("masks are written as PNG files: give a folder for them, --output DIR")
    if asked.output.exists() and not asked.output.is_dir():
        raise InputError(
            f"{asked.output}: is a file, and masks are written into a folder; give another --output"
        )
    shape = image_size(data, asked.graph)
    logits = asked.graph.outputs[declared.outputs[0]]
    width = logits.shape[-1] if logits.rank == 4 else 2
    classes = width if isinstance(width, int) else 2
    pictures = data if isinstance(data, PictureData) else ImageData()
    names = read_label_names(asked.run_dir, classes)
    return Masks(declared.outputs[0], pictures, Preparation(pictures, shape), names, classes, asked.output)
