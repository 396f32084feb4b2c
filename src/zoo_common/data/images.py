"""Labelled images: MNIST's files or scikit-learn's digits, at the size that the model asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, Example, Split, check_range, example_bytes
from zoo_common.data.file_marks import Source, embedded_files, sources
from zoo_common.data.generated import id_limits
from zoo_common.data.reader import Wanted, open_data
from zoo_common.data.resize import resize
from zoo_common.data.sources.idx import read_idx
from zoo_spec.data import IdxFiles, ImageData
from zoo_spec.data.limits import ImageLimits
from zoo_spec.data_fit import image_size
from zoo_spec.errors import InputError
from zoo_spec.importing import require_extra
from zoo_spec.random import Stream


@dataclass(frozen=True)
class Images:
    """Images ``[count, height, width, channels]``, labels ``[count]``, and the value of a full pixel."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    highest: int
    source: str
    source_bytes: int
    libraries: tuple[str, ...] = ("numpy",)
    notes: tuple[str, ...] = ()
    labels_source: str = ""
    """Where the labels are read from, if not from ``source``."""


class ImageExamples(Dataset):
    """``image [height, width, channels]``, ``labels`` and ``label_weights`` 1, those named in ``inputs``."""

    def __init__(
        self, images: Images, shape: tuple[int, int, int], *, mean: float, std: float, inputs: frozenset[str]
    ) -> None:
        self._images, self._shape, self._mean, self._std, self._inputs = images, shape, mean, std, inputs
        channels = images.pixels.shape[-1]
        if channels != shape[-1]:
            raise InputError(
                f"{images.source}: the images have {channels} channel(s), the model's input {shape[-1]}; "
                f"set the model's channels to {channels}"
            )

    def __len__(self) -> int:
        return len(self._images.labels)

    def description(self) -> DataDescription:
        """Where the examples come from and how large they are."""
        images = self._images
        return DataDescription(
            images.source,
            len(self),
            images.source_bytes,
            example_bytes(self),
            notes=images.notes,
            libraries=images.libraries,
        )

    def example(self, epoch: int, index: int) -> Example:
        """One image, the same in every epoch."""
        images = self._images
        example: Example = {
            "image": prepare(
                images.pixels[index], self._shape, highest=images.highest, mean=self._mean, std=self._std
            ),
            "labels": np.asarray(images.labels[index], np.int32),
            "label_weights": np.asarray(1, np.float32),
        }
        return {name: value for name, value in example.items() if name in self._inputs}


def prepare(
    pixels: NDArray[np.uint8], shape: tuple[int, int, int], *, highest: int, mean: float, std: float
) -> NDArray[np.float32]:
    """``pixels [height, width, channels]`` of any size as the model's input of ``shape``.

    They are resized, scaled so that a full pixel, ``highest``, is 1, and ``(pixel - mean) / std`` is fed.
    """
    scaled = resize(pixels, *shape[:2]) / highest
    return ((scaled - mean) / std).astype(np.float32)


def open_images(
    data: ImageData,
    *,
    split: Split,
    shape: tuple[int, int, int],
    classes: int | None,
    inputs: frozenset[str],
) -> ImageExamples:
    """The training or evaluation images at ``shape`` (height, width, channels).

    ``classes`` bounds the labels; None where the model has no bound.
    """
    images, own_test = _read(data, split)
    if classes is not None:
        wrong = np.flatnonzero(images.labels >= classes)
        if wrong.size:
            remedy = f"give the model {int(images.labels.max()) + 1} classes"
            source = images.labels_source or images.source
            check_range(images.labels[wrong[:1]], classes, f"{source}: label", int(wrong[0]), remedy)
    if not own_test:
        images = _held_out(images, data, split)
    return ImageExamples(images, shape, mean=data.mean, std=data.std, inputs=inputs)


def _read(data: ImageData, split: Split) -> tuple[Images, bool]:
    """The images of the source, and whether it has files of its own for evaluation."""
    files = idx_files(data.directory) if data.directory is not None else data.files
    if files is None:
        return _digits(), False
    if files.evaluation_images is None or files.evaluation_labels is None:
        return _read_pair(files.train_images, files.train_labels, data.limits), False
    if split == "eval":
        return _read_pair(files.evaluation_images, files.evaluation_labels, data.limits), True
    return _read_pair(files.train_images, files.train_labels, data.limits), True


def _read_pair(images_path: str, labels_path: str, limits: ImageLimits) -> Images:
    pixels, labels = read_idx(images_path, (3, 4), limits), read_idx(labels_path, (1,), limits)
    if len(pixels) != len(labels):
        raise InputError(
            f"{images_path} has {len(pixels):,} images, but {labels_path} {len(labels):,} labels; "
            "give the labels that belong to the images"
        )
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    size = pixels.nbytes + labels.nbytes
    return Images(pixels, labels, 255, images_path, size, labels_source=labels_path)


def idx_files(directory: str) -> IdxFiles:
    """MNIST's files in a folder, by their own names; raises InputError where one is missing."""
    folder = Path(directory)
    if not folder.is_dir():
        what = "is a file; give it as data.files" if folder.exists() else "there is no such directory"
        raise InputError(f"{directory}: {what} (paths are relative to the working directory, {Path.cwd()})")

    def find(part: str, dimensions: int) -> str | None:
        names = [f"{part}{dot}idx{dimensions}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
        return next((str(folder / name) for name in names if (folder / name).is_file()), None)

    train_images, train_labels = find("train-images", 3), find("train-labels", 1)
    test_images, test_labels = find("t10k-images", 3), find("t10k-labels", 1)
    if train_images is None or train_labels is None:
        missing = "train-images-idx3-ubyte" if train_images is None else "train-labels-idx1-ubyte"
        raise InputError(
            f"{directory}: there is no {missing} (or {missing}.gz) in it; name other files by data.files"
        )
    if (test_images is None) != (test_labels is None):
        missing = "t10k-images-idx3-ubyte" if test_images is None else "t10k-labels-idx1-ubyte"
        raise InputError(
            f"{directory}: there is no {missing} (or {missing}.gz) in it beside the other t10k file"
        )
    return IdxFiles(
        train_images=train_images,
        train_labels=train_labels,
        evaluation_images=test_images,
        evaluation_labels=test_labels,
    )


def _digits() -> Images:
    require_extra(
        "sklearn",
        library="scikit-learn",
        extra="digits",
        what="data.corpus: digits, read where there is neither data.directory nor data.files,",
    )
    # Imported here: it takes a second, and only the digits need it.
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = np.asarray(found.images).astype(np.uint8)[..., None]
    labels = np.asarray(found.target).astype(np.uint8)
    source = "digits (scikit-learn; UCI Optical Recognition of Handwritten Digits)"
    return Images(pixels, labels, 16, source, pixels.nbytes + labels.nbytes, ("numpy", "scikit-learn"))


def _held_out(images: Images, data: ImageData, split: Split) -> Images:
    """The part of the images that is trained on, or the fifth that is not."""
    count = len(images.labels)
    held = np.zeros(count, bool)
    if data.split == "last_fifth":
        held[count * 4 // 5 :] = True
        note = "evaluated on the last fifth, in file order"
    else:
        for label in np.unique(images.labels):
            members = np.flatnonzero(images.labels == label)
            order = Stream(data.split_seed, "held_out", int(label)).permutation(len(members))
            held[members[order[: round(len(members) / 5)]]] = True
        note = f"evaluated on a fifth of every class, drawn by split_seed {data.split_seed}"
    chosen = held if split == "eval" else ~held
    if not chosen.any():
        raise InputError(
            f"{images.source}: a fifth of {count} images leaves none for {split}; give more images"
        )
    return Images(
        images.pixels[chosen],
        images.labels[chosen],
        images.highest,
        images.source,
        images.source_bytes,
        images.libraries,
        (*images.notes, note),
    )


@open_data.register
def _images(data: ImageData, wanted: Wanted) -> ImageExamples:
    classes = id_limits(wanted.graph, {}).get("labels")
    shape = image_size(data, wanted.graph)
    return open_images(data, split=wanted.split, shape=shape, classes=classes, inputs=wanted.inputs)


@sources.register
def _sources(data: ImageData) -> list[Source]:
    files = idx_files(data.directory) if data.directory is not None else data.files
    if files is None:
        return embedded_files("data.corpus", data.corpus, "sklearn", "datasets/data/digits.csv.gz")
    place = "data.files" if data.directory is None else f"data.directory {data.directory}"
    found = []
    for part in IdxFiles.model_fields:
        path = getattr(files, part)
        if path is not None:
            found.append(Source(f"{place}: {part}", Path(path), "eval" if "evaluation" in part else "train"))
    return found
