"""Examples of labelled images: the pixels as a model takes them, what is drawn for them, and the label's id."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from pydantic import JsonValue

from zoo_common.data.base import DataDescription, Dataset, Example, Split, example_bytes
from zoo_common.data.examples import make_examples
from zoo_common.data.generated import id_limits
from zoo_common.data.label_names import FILE as LABELS
from zoo_common.data.label_names import read_label_names, require_same, write_label_names
from zoo_common.data.makers.augmentation import draw
from zoo_common.data.makers.class_weights import WeighedExamples, balanced
from zoo_common.data.makers.image_labels import ImageLabels
from zoo_common.data.makers.picture_features import Preparation, Shape
from zoo_common.data.reader import Wanted, kept_by
from zoo_common.data.records import Records, open_records
from zoo_spec.data import Augmentation, LabelledImageData
from zoo_spec.data.records import LabelledImage, Record
from zoo_spec.data_fit import image_size
from zoo_spec.errors import InputError
from zoo_spec.random import Stream
from zoo_spec.tasks.image_classification import ImageClassification


class ImageExamples(Dataset):
    """``image [height, width, channels]``, ``labels`` and ``label_weights`` 1, those named in ``inputs``."""

    def __init__(
        self,
        records: Records,
        labels: ImageLabels,
        preparation: Preparation,
        *,
        augmentation: Augmentation | None,
        seed: int,
        inputs: frozenset[str],
    ) -> None:
        self.labels = labels
        self._records, self._preparation = records, preparation
        self._augmentation, self._seed, self._inputs = augmentation, seed, inputs

    def __len__(self) -> int:
        return len(self._records)

    def description(self) -> DataDescription:
        """Where the examples come from and how large they are."""
        about, names = self._records.description(), self.labels.names
        if names is not None:
            said = f"{len(names)} labels: {', '.join(names[:10])}{', …' * (len(names) > 10)}"
            about = replace(about, notes=(*about.notes, said))
        return replace(about, samples=len(self), bytes_per_sample=example_bytes(self))

    def example(self, epoch: int, index: int) -> Example:
        """One image; without an augmentation it is the same in every epoch."""
        record = cast(LabelledImage, self._records[index])
        preparation = self._preparation
        height, width, channels = preparation.shape
        example: Example = {"labels": self.labels.of(record), "label_weights": np.asarray(1, np.float32)}
        if "image" in self._inputs:
            scaled = preparation.scaled(record.image.pixels(channels))
            size = scaled.shape[0], scaled.shape[1]
            stream = Stream(self._seed, "augmentation", epoch, index) if self._augmentation else None
            drawn = draw(self._augmentation, stream, size, preparation.middle(size), (height, width))
            window = drawn.of_image(scaled, height, width)
            example["image"] = preparation.normalised(window, record.highest)
        return {name: value for name, value in example.items() if name in self._inputs}


def open_images(
    data: LabelledImageData,
    *,
    split: Split,
    shape: Shape,
    classes: int | None,
    inputs: frozenset[str],
    seed: int = 0,
    run_dir: Path | None = None,
    begins_with: str | None = None,
    wanted: Wanted | None = None,
) -> ImageExamples:
    """The training or evaluation images at ``shape``; the names of their labels are kept in ``run_dir``.

    ``classes`` bounds the labels; None where the model has no bound. That all images have been looked at is kept
    beside the run that they are ``wanted`` for.
    """
    preparation = Preparation(data, shape)
    kept = read_label_names(run_dir, classes)
    if kept is not None and data.labels is not None:
        require_same(kept, data.labels, run_dir)
    found = None if begins_with is None else kept_by(begins_with, LABELS)
    before = None if found is None else read_label_names(found.parent)
    if before is not None and len(set(before)) != classes:
        before = None
    labels = ImageLabels(classes, kept or data.labels, before)
    if split == "eval" and not labels.is_settled:
        source = open_records(data, "train", lambda record: labels.look(_image(record))).description().source
        labels.settle(source)
    records = open_records(data, split, _Seen(data, labels, shape), wanted)
    labels.settle(records.description().source)
    if labels.names is not None and run_dir is not None:
        write_label_names(run_dir, labels.names)
    augmentation = data.augmentation if split == "train" else None
    return ImageExamples(records, labels, preparation, augmentation=augmentation, seed=seed, inputs=inputs)


class _Seen:
    """Looks at a record's label, and at its image's header; at all of the image where bad ones are left out."""

    name = "images"

    def __init__(self, data: LabelledImageData, labels: ImageLabels, shape: Shape) -> None:
        self._data, self._labels, self._channels = data, labels, shape[-1]

    def about(self) -> JsonValue:
        """How many channels an image has to have, and how many labels there may be."""
        return [self._channels, self._labels.classes]

    def look(self, record: Record) -> None:
        """Raises InputError, naming it, for a label or an image that is none."""
        found = _image(record)
        self._labels.look(found)
        if self._data.on_bad_record == "skip":
            found.image.pixels(self._channels)
        else:
            found.image.check(self._channels)

    def learned(self) -> JsonValue:
        """The names of labels that were met."""
        return [*self._labels.learned()]

    def recall(self, learned: JsonValue) -> bool:
        """Know them again."""
        return self._labels.recall(learned)


def _image(record: Record) -> LabelledImage:
    assert isinstance(record, LabelledImage)
    return record


@make_examples.register
def _classification(task: ImageClassification, wanted: Wanted) -> Dataset:
    data = wanted.spec.data
    if not isinstance(data, LabelledImageData):
        raise InputError(
            f"data of kind {data.kind!r} gives labelled images and does not say how they are prepared: its class has "
            "to derive from zoo_spec.data.LabelledImageData"
        )
    examples = open_images(
        data,
        split=wanted.split,
        shape=image_size(data, wanted.graph),
        classes=id_limits(wanted.graph, {}).get("labels"),
        inputs=wanted.inputs,
        seed=wanted.seed,
        run_dir=wanted.run_dir,
        begins_with=wanted.begins_with,
        wanted=wanted,
    )
    if task.class_weights is None:
        return examples
    if task.class_weights != "balanced":
        return WeighedExamples(examples, np.asarray(task.class_weights, np.float32))
    labels = examples.labels
    records = open_records(data, "train", lambda record: labels.look(_image(record)))
    weights = balanced(
        records, lambda record: [int(labels.of(_image(record)))], labels.names or (), task.classes
    )
    return WeighedExamples(examples, weights)
