"""What a parity run found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

Level = Literal["parameters", "forward", "loss", "gradient", "step", "curve", "checkpoint"]
LEVELS: tuple[Level, ...] = ("parameters", "forward", "loss", "gradient", "step", "curve", "checkpoint")


@dataclass(frozen=True)
class LevelResult:
    """One level in one dtype: the worst value met, the limit it is held to, and what it belongs to."""

    level: Level
    dtype: str
    passed: bool
    value: float
    limit: float
    worst: str
    detail: str = ""


@dataclass(frozen=True)
class ParityReport:
    """All levels that were run, in order; the first failure ends a run."""

    spec: str
    levels: tuple[LevelResult, ...]
    notes: tuple[str, ...] = ()
    curve: dict[str, list[float]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every level held."""
        return bool(self.levels) and all(level.passed for level in self.levels)

    def as_json(self) -> dict[str, JsonValue]:
        """``spec``, ``passed`` and ``levels``, as ``zoo parity --json`` prints it.

        A ``value`` of null stands for what could not be compared: NaN, infinity, another shape.
        """
        rows: list[JsonValue] = [
            {
                "level": row.level,
                "dtype": row.dtype,
                "passed": row.passed,
                "value": row.value if math.isfinite(row.value) else None,
                "limit": row.limit,
                "worst": row.worst,
                "detail": row.detail,
            }
            for row in self.levels
        ]
        return {
            "spec": self.spec,
            "passed": self.passed,
            "levels": rows,
            "notes": list(self.notes),
            "curve": {name: list(losses) for name, losses in self.curve.items()},
        }
