"""Labelled images in folders: one for each class, or a flat one with a table of labels."""

from __future__ import annotations

from typing import Literal

from zoo_spec.data.base import FilePath
from zoo_spec.data.labelled_images import LabelledImageData


class ImageFolder(LabelledImageData):
    """Pictures by class: ``DIRECTORY/train/CLASS/…`` and ``DIRECTORY/val/CLASS/…``, or ``DIRECTORY/CLASS/…``.

    Classes are numbered by their folders' names, sorted by their bytes. Pictures lie in a class' folder however deep;
    hidden files, and those whose names do not end as a picture's do, are passed over.
    """

    kind: Literal["image_folder"] = "image_folder"
    directory: FilePath
    """The folder. Where there is no ``train`` in it, its folders are the classes, and ``evaluation_fraction`` of the
    pictures is held out; so it is of ``train`` where there is neither ``val`` nor ``test`` beside it."""
    train_labels: FilePath | None = None
    """A table of the training pictures' labels, where they lie in one flat folder: a file and its label on each line,
    with a tab, a comma or a space between them, a line of headings or none. A file's name may lack its ending."""
    evaluation_labels: FilePath | None = None
    """The same of ``val``, as ImageNet's is flat."""

    @property
    def has_evaluation(self) -> bool:
        """What lies in the folder says; where nothing does, its reader holds some out."""
        return True
