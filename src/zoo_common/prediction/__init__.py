"""From a user's own images and text to answers: what ``zoo predict`` does. The runners' ``predict`` takes batches."""

from __future__ import annotations

from zoo_common.prediction.base import Answer, Item, Predictor, predict
from zoo_common.prediction.lines import Line, lines_of, read_lines
from zoo_common.prediction.opening import open_predictor

__all__ = ["Answer", "Item", "Line", "Predictor", "lines_of", "open_predictor", "predict", "read_lines"]
