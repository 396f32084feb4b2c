"""Benchmarks of defects and buildings in their own files: DAGM 2007, Severstal, Inria."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zoo_spec.base import Rate
from zoo_spec.data.base import FilePath
from zoo_spec.data.masked_images import MaskedImageData


class Dagm2007(MaskedImageData):
    """One class of textures of DAGM 2007: defects, marked by ellipses, against the background.

    ``Train`` is learned from and ``Test`` evaluated on.
    """

    kind: Literal["dagm2007"] = "dagm2007"
    directory: FilePath
    """The folder with ``Class1``, ``Class2``, … in it, or that of a class, with ``Train`` and ``Test``."""
    class_id: Annotated[int, Field(ge=1, le=10)] = 1
    """Which class of textures, where ``directory`` has several."""
    only_defective: bool = False
    """Whether images without a defect are left out."""

    @property
    def has_evaluation(self) -> bool:
        """``Test``."""
        return True

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The background and defects."""
        return self.labels or ("background", "defect")


class Severstal(MaskedImageData):
    """Defects of four kinds in steel (Severstal, Kaggle 2019), of run lengths; images without a row have none."""

    kind: Literal["severstal"] = "severstal"
    directory: FilePath
    """The folder with ``train_images`` in it."""
    table: FilePath | None = None
    """The run lengths, in columns ``ImageId,ClassId,EncodedPixels`` or ``ImageId_ClassId,EncodedPixels``; null:
    ``train.csv`` in the folder."""
    class_id: Annotated[int, Field(ge=1, le=4)] | None = None
    """The one kind of defect that is learned, as class 1; null: all, by their own ids."""
    only_defective: bool = False
    """Whether images without a defect that is learned are left out."""
    split: Literal["drawn", "in_order"] = "drawn"
    """Which images are held out: ``evaluation_fraction`` of them ``drawn`` by ``split_seed``, or the last ones
    ``in_order`` of the table, images without a row behind them."""
    evaluation_fraction: Rate = 0.15
    """Part of the images that is held out for evaluation."""

    @property
    def has_evaluation(self) -> bool:
        """Where the images' order decides, the source holds out."""
        return self.split == "in_order"

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The background and the defects by their numbers."""
        if self.labels is not None:
            return self.labels
        kinds = range(1, 5) if self.class_id is None else (self.class_id,)
        return ("background", *(f"defect {kind}" for kind in kinds))


class Inria(MaskedImageData):
    """Buildings in aerial images of 5,000 by 5,000 pixels (Maggiori et al., 2017), best cut into tiles (``stride``).

    Of each town the images 1 to 5 are evaluated on, the others learned from, as the authors recommend.
    """

    kind: Literal["inria"] = "inria"
    directory: FilePath
    """The folder ``AerialImageDataset``, with ``train/images`` and ``train/gt`` in it."""

    @property
    def has_evaluation(self) -> bool:
        """The first five images of each town."""
        return True

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The background and buildings."""
        return self.labels or ("background", "building")
