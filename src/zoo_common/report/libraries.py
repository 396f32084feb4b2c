"""Which libraries are imported beyond the framework, and what for."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from zoo_common.report.description import Library

TRAINING = {
    "numpy": "arrays, initial values",
    "pydantic": "specs",
    "pyyaml": "spec files",
    "psutil": "free memory",
    "filelock": "one process a run directory",
    "safetensors": "checkpoints",
    "rich": "progress",
    "tensorboardX": "TensorBoard's event files",
    "typer": "the command line",
}
"""By the name to install them by."""

PREPROCESSING = {
    "numpy": "arrays",
    "tokenizers": "WordPiece vocabulary and tokens",
    "scikit-learn": "the embedded digits",
}
"""Those that a reader of data may name."""


def training_libraries() -> tuple[Library, ...]:
    """What the training loop imports beside the framework."""
    return tuple(Library(name, use, _version(name)) for name, use in TRAINING.items())


def preprocessing_libraries(names: tuple[str, ...]) -> tuple[Library, ...]:
    """What reading this data imports."""
    return tuple(Library(name, PREPROCESSING.get(name, ""), _version(name)) for name in names)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
