"""Where the examples come from, as a spec says it: plain or labelled text, images, or inputs drawn at random."""

from zoo_spec.data.base import Data, FilePath, FilePaths
from zoo_spec.data.generated import GeneratedData, GeneratedShapes
from zoo_spec.data.images import IdxFiles, ImageData
from zoo_spec.data.labelled_text import LabelledTextData
from zoo_spec.data.records import LabelledText, Record
from zoo_spec.data.text import TextData
from zoo_spec.data.text_table import TextTable
from zoo_spec.data.tokenized import TokenizedData

__all__ = [
    "Data",
    "FilePath",
    "FilePaths",
    "GeneratedData",
    "GeneratedShapes",
    "IdxFiles",
    "ImageData",
    "LabelledText",
    "LabelledTextData",
    "Record",
    "TextData",
    "TextTable",
    "TokenizedData",
]
