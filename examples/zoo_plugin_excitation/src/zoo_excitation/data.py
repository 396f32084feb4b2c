"""Labelled images of NumPy's archives: ``data: {kind: image_archive, train: a.npz, evaluation: b.npz}``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from zoo_common.data.base import DataDescription, Dataset, Example, check_range, example_bytes
from zoo_common.data.file_marks import Source, sources
from zoo_common.data.generated import id_limits
from zoo_common.data.reader import Wanted, open_data
from zoo_spec.data import Data
from zoo_spec.data.base import FilePath
from zoo_spec.data_fit import fits, image_size
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_spec.reading import open_file, reading


class ImageArchive(Data):
    """Archives with the arrays ``images`` [count, height, width, channels], bytes, and ``labels`` [count]."""

    kind: Literal["image_archive"] = "image_archive"
    train: FilePath
    """The archive to train on, as ``numpy.savez`` writes it."""
    evaluation: FilePath
    """The archive to evaluate on."""


class ArchiveExamples(Dataset):
    """``image [height, width, channels]`` between 0 and 1, and ``labels``, those that the graph has."""

    def __init__(self, path: str, wanted: Wanted, shape: tuple[int, int, int]) -> None:
        with open_file(path) as file, reading(path, "NumPy"), np.load(file, allow_pickle=False) as archive:
            missing = [name for name in ("images", "labels") if name not in archive]
            if missing:
                raise InputError(
                    f"{path}: has no array {missing[0]!r}; it has {', '.join(archive) or 'none'}"
                )
            self._images, self._labels = archive["images"], archive["labels"]
        if self._images.dtype != np.uint8 or self._images.shape[1:] != shape or not len(self._images):
            found = f"{self._images.dtype} {list(self._images.shape)}"
            raise InputError(
                f"{path}: images are {found}, and the model reads uint8 [count, {str(shape)[1:-1]}]"
            )
        if self._labels.shape != self._images.shape[:1] or self._labels.dtype.kind not in "iu":
            raise InputError(f"{path}: labels are {list(self._labels.shape)}, not an integer each")
        classes = id_limits(wanted.graph, {}).get("labels")
        if classes is not None:
            wrong = np.flatnonzero((self._labels < 0) | (self._labels >= classes))[:1]
            check_range(self._labels[wrong], classes, f"{path}: label", int(wrong.sum()), "set task.classes")
        self._path, self._inputs = path, wanted.inputs

    def __len__(self) -> int:
        return len(self._labels)

    def description(self) -> DataDescription:
        """Where the examples come from and how large they are."""
        return DataDescription(self._path, len(self), self._images.nbytes, example_bytes(self))

    def example(self, epoch: int, index: int) -> Example:
        """One image, the same in every epoch."""
        example = {
            "image": self._images[index].astype(np.float32) / 255,
            "labels": np.asarray(self._labels[index], np.int32),
            "label_weights": np.asarray(1, np.float32),
        }
        return {name: value for name, value in example.items() if name in self._inputs}


@fits.register
def _fits(data: ImageArchive, spec: ExperimentSpec, graph: Graph) -> None:
    image_size(data, graph)


@sources.register
def _sources(data: ImageArchive) -> list[Source]:
    return [Source("data.train", Path(data.train)), Source("data.evaluation", Path(data.evaluation), "eval")]


@open_data.register
def _open(data: ImageArchive, wanted: Wanted) -> ArchiveExamples:
    path = data.train if wanted.split == "train" else data.evaluation
    return ArchiveExamples(path, wanted, image_size(data, wanted.graph))
