"""Where the examples come from, as a spec says it: plain text, images, or inputs drawn at random."""

from zoo_spec.data.base import Data, FilePath, FilePaths
from zoo_spec.data.generated import GeneratedData, GeneratedShapes
from zoo_spec.data.images import IdxFiles, ImageData
from zoo_spec.data.text import TextData

__all__ = [
    "Data",
    "FilePath",
    "FilePaths",
    "GeneratedData",
    "GeneratedShapes",
    "IdxFiles",
    "ImageData",
    "TextData",
]
