"""Images in; the label and every label's probability out."""

from __future__ import annotations

from collections.abc import Iterator

from zoo_common.data.makers.picture_features import Preparation
from zoo_common.data.sources.pictures import SUFFIXES
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.image_files import read_images
from zoo_common.prediction.lines import Line
from zoo_common.prediction.opening import Asked, open_prediction
from zoo_common.prediction.probabilities import Names, label_of
from zoo_spec.data import LabelledImageData
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_spec.tasks import predictions


class ImageLabel:
    """A line is the path of a file with one image or many; each is fed as in training."""

    key = "file"
    reads_files = True
    endings = (*SUFFIXES, ".npy")

    def __init__(self, output: str, data: LabelledImageData, graph: Graph, names: Names = None) -> None:
        self._names = names
        self.outputs: tuple[str, ...] = (output,)
        self._data = data
        sizes = graph.inputs["image"].shape[1:] if "image" in graph.inputs else ()
        if len(sizes) != 3 or any(isinstance(size, str) for size in sizes):
            raise InputError(
                "an image needs a model with an input image [batch, height, width, channels] of known sizes; "
                f"this one has {', '.join(f'{name} {spec}' for name, spec in graph.inputs.items())}"
            )
        height, width, channels = (int(size) for size in sizes)
        self._preparation = Preparation(data, (height, width, channels))

    def items(self, line: Line) -> Iterator[Item]:
        """An item for each image of the file."""
        channels = self._preparation.shape[-1]
        for index, pixels in read_images(line.text, channels, self._data.limits):
            image = self._preparation.plain(pixels, 255)
            where: Answer = {"file": line.text} if index is None else {"file": line.text, "index": index}
            yield Item(where, {"image": image}, self._answer)

    def _answer(self, row: Row) -> Answer:
        return label_of(row[self.outputs[0]], self._names)


@open_prediction.register
def _image_label(declared: predictions.ImageLabel, asked: Asked) -> ImageLabel:
    asked.refuse_top("an image is answered with all probabilities")
    if not isinstance(asked.spec.data, LabelledImageData):
        raise asked.not_trained_on("images")
    return ImageLabel(declared.outputs[0], asked.spec.data, asked.graph, asked.label_names)
