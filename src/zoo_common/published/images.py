"""How images are prepared for published weights: what ``preprocessor_config.json`` says of their pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
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
    mean, std = (_numbers(said.get(key, _USUAL)) for key in ("image_mean", "image_std"))
    if mean is None or std is None or not np.min(std) > 0:
        note = (
            f"{_FILE} has {said.get('image_mean')} and {said.get('image_std')} for mean and deviation, which are "
            f"none: {_USUAL} stands in the spec for both"
        )
        return {"kind": "images", "mean": _USUAL, "std": _USUAL}, [note]
    silent = (
        [] if "image_mean" in said else ["pixels are scaled to -1 to 1, as the authors do: nothing says how"]
    )
    return {"kind": "images", "mean": _plain(mean), "std": _plain(std)}, silent


def _numbers(value: JsonValue) -> float | list[float] | None:
    """The number that all colours have, or that of each; None for what is no such thing."""
    values = value if isinstance(value, list) else [value]
    numbers = [float(each) for each in values if isinstance(each, int | float) and np.isfinite(each)]
    if not numbers or len(numbers) < len(values):
        return None
    return numbers[0] if len(set(numbers)) == 1 else [*numbers]


def _plain(value: float | list[float]) -> JsonValue:
    return [*value] if isinstance(value, list) else value
