"""A trained model as a directory for others: a framework's own program, or the weights as files (docs/serving.md)."""

from zoo_common.export.formats import FileFormat, Program, Trained, Written, choose
from zoo_common.export.programs import export, serving_features
from zoo_common.export.weights import export_files

__all__ = [
    "FileFormat",
    "Program",
    "Trained",
    "Written",
    "choose",
    "export",
    "export_files",
    "serving_features",
]
