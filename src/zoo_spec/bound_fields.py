"""Which field of a spec bounds an open dimension, for whoever has to say what to raise."""

from __future__ import annotations

from zoo_spec.experiment import ExperimentSpec


def field_of(spec: ExperimentSpec, dimension: str) -> str:
    """The field that says how large a dimension may be."""
    name = {"samples": "max_samples"}.get(dimension, "max_positions")
    return f"model.{name}" if name in type(spec.model).model_fields else f"model.bounds.{dimension}"
