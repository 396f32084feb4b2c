"""What a parity run found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from zoo_spec.errors import ZooError

Level = Literal["parameters", "forward", "loss", "gradient", "step", "curve", "checkpoint"]
LEVELS: tuple[Level, ...] = ("parameters", "forward", "loss", "gradient", "step", "curve", "checkpoint")


@dataclass(frozen=True)
class Blame:
    """Where a difference comes from, in words; block, parameter or moment, and framework, if they are known."""

    text: str
    block: str = ""
    side: str = ""


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
    block: str = ""
    """Where a failure comes from: a block's canonical path, or a parameter's; empty where it cannot be told."""
    side: str = ""
    """The framework that strayed; empty where neither can be told."""

    @property
    def told(self) -> str:
        """What was worst, in a line."""
        return f"{self.worst}: {self.value:.3e}, limit {self.limit:.3e}"


@dataclass(frozen=True)
class Source:
    """What of a run was judged: the checkpoint's step and directory, the batches' names, and what is in them."""

    run_dir: str
    step: int
    checkpoint: str
    batches: tuple[str, ...]
    data: str

    def __str__(self) -> str:
        return f"step {self.step} in {self.checkpoint}; {self.data}, {', '.join(self.batches)}"


@dataclass(frozen=True)
class ParityReport:
    """All levels that were run, in order; the first failure ends a run."""

    spec: str
    levels: tuple[LevelResult, ...]
    notes: tuple[str, ...] = ()
    curve: dict[str, list[float]] = field(default_factory=dict)
    source: Source | None = None
    """The run that was judged; None: probes."""

    @property
    def passed(self) -> bool:
        """Whether every level held."""
        return bool(self.levels) and all(level.passed for level in self.levels)

    def as_json(self) -> dict[str, JsonValue]:
        """``spec``, ``passed`` and ``levels``, as ``zoo parity --json`` prints it; of a run also what ``Source`` has.

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
                "block": row.block,
                "side": row.side,
            }
            for row in self.levels
        ]
        source: dict[str, JsonValue] = {}
        if self.source is not None:
            source = {
                "run_dir": self.source.run_dir,
                "step": self.source.step,
                "checkpoint": self.source.checkpoint,
                "batches": list(self.source.batches),
            }
        return {
            "spec": self.spec,
            **source,
            "passed": self.passed,
            "levels": rows,
            "notes": list(self.notes),
            "curve": {name: list(losses) for name, losses in self.curve.items()},
        }


class ParityError(ZooError, AssertionError):
    """The frameworks disagree; the text says at which level and about what, and ``report`` has all levels."""

    def __init__(self, report: ParityReport) -> None:
        self.report = report
        lines = [f"parity of {report.spec} failed"]
        for row in report.levels:
            if not row.passed:
                lines.append(f"{row.level} ({row.dtype}): {row.told}")
                lines += [row.detail] if row.detail else []
        super().__init__("\n".join([*lines, *report.notes]))
