"""How images are prepared for published weights: what ``preprocessor_config.json`` says of their pixels."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from zoo_common.containers.plain_json import read_json_mapping
from zoo_spec.foreign.config import Fields

_FILE = "preprocessor_config.json"
_USUAL = 0.5
"""Mean and deviation of pixels from 0 to 1, which makes them -1 to 1: google-research/vision_transformer's."""


def read_images(folder: Path) -> tuple[Fields, list[str]]:
    """The data of images as these weights want them, and what is to be said of it."""
    said = read_json_mapping(folder / _FILE) if (folder / _FILE).is_file() else {}
    if said.get("do_normalize") is False:
        return {"kind": "images"}, []
    mean, std = (_one(said.get(key, _USUAL)) for key in ("image_mean", "image_std"))
    if mean is None or std is None or not std > 0:
        note = (
            f"{_FILE} has a mean or deviation for each colour ({said.get('image_mean')}, {said.get('image_std')}), "
            "and data of kind images one for all: 0.5 stands in the spec, and answers to image files are off by that"
        )
        return {"kind": "images", "mean": _USUAL, "std": _USUAL}, [note]
    silent = (
        [] if "image_mean" in said else ["pixels are scaled to -1 to 1, as the authors do: nothing says how"]
    )
    return {"kind": "images", "mean": mean, "std": std}, silent


def _one(value: JsonValue) -> float | None:
    """The number that all colours have."""
    values = value if isinstance(value, list) else [value]
    numbers = {float(each) for each in values if isinstance(each, int | float)}
    return numbers.pop() if len(numbers) == 1 and len(values) > 0 else None
