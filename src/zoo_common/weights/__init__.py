"""Where weights come from: sources that are read by name, one tensor at a time."""

from zoo_common.weights.choice import Choice, Part
from zoo_common.weights.initial import InitialValues
from zoo_common.weights.report import Fate, Report, Row, start_of
from zoo_common.weights.source import Arrays, Entry, WeightSource, as_source

__all__ = [
    "Arrays",
    "Choice",
    "Entry",
    "Fate",
    "InitialValues",
    "Part",
    "Report",
    "Row",
    "WeightSource",
    "as_source",
    "start_of",
]
