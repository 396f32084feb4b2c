"""Fields that a source has no key for, because it always computes the same."""

from __future__ import annotations

from dataclasses import dataclass

from zoo_spec.foreign.config import Config, Fields


@dataclass(frozen=True)
class Always:
    """What ``source`` computes whatever its configuration says: fields of a model, and their values."""

    source: str
    fields: Fields

    @property
    def usual(self) -> Config:
        """No key says it."""
        return {}

    def read(self, config: Config) -> Fields:
        """The fields."""
        return self.fields

    def write(self, model: Fields) -> Config:
        """Nothing; ValueError where the model computes otherwise."""
        for field, value in self.fields.items():
            if model[field] != value:
                raise ValueError(f"model.{field} is {model[field]}, and {self.source} computes with {value}")
        return {}
