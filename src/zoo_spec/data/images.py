"""Labelled images, of MNIST's files or embedded."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from zoo_spec.base import Rate, Spec
from zoo_spec.data.base import FilePath
from zoo_spec.data.labelled_images import LabelledImageData


class IdxFiles(Spec):
    """MNIST's file format, one file of images and one of labels each, gzip or not."""

    train_images: FilePath
    """The images to train on."""
    train_labels: FilePath
    """Their labels."""
    evaluation_images: FilePath | None = None
    """The images to evaluate on; without these and their labels, a fifth of the others is held out."""
    evaluation_labels: FilePath | None = None
    """Their labels."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.evaluation_images is None) != (self.evaluation_labels is None):
            raise ValueError("evaluation_images and evaluation_labels are given together or not at all")
        return self


class ImageData(LabelledImageData):
    """Labelled images whose labels are their ids: MNIST's files, or scikit-learn's digits."""

    kind: Literal["images"] = "images"
    directory: FilePath | None = None
    """A folder with MNIST's files under their own names (``train-images-idx3-ubyte``, …, also ``.gz``);
    its ``t10k`` files, where they are there, are what is evaluated on."""
    files: IdxFiles | None = None
    """The same files under any names."""
    corpus: Literal["digits"] = "digits"
    """Embedded images, read when there is neither ``directory`` nor ``files``: the 1,797 scanned digits of
    8 by 8 pixels that scikit-learn carries (UCI Optical Recognition of Handwritten Digits); the extra ``digits``
    installs it."""
    split: Literal["stratified", "last_fifth"] = "stratified"
    """What is held out where the source has no test files of its own. ``stratified``: of every class
    ``evaluation_fraction``, drawn by ``split_seed``. ``last_fifth``: the last fifth in file order; in ``digits``,
    other writers."""
    evaluation_fraction: Rate = 0.2
    """Part of each class that is held out."""

    @property
    def has_evaluation(self) -> bool:
        """The classes are held out one by one, which the source does."""
        return True

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.directory is not None and self.files is not None:
            raise ValueError(f"directory {self.directory!r} and files are both given; keep one")
        return self

    @model_validator(mode="after")
    def _a_fifth(self) -> Self:
        if self.split == "last_fifth" and self.evaluation_fraction != 0.2:
            raise ValueError(
                f"split is last_fifth, and evaluation_fraction {self.evaluation_fraction:g} is no fifth; leave it "
                "out, or set split to stratified"
            )
        return self
