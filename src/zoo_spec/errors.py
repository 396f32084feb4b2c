"""What can go wrong, by whose turn it is to act; the command line turns each into its exit status."""

from __future__ import annotations

from dataclasses import dataclass


class ZooError(Exception):
    """Base of every error that is raised on purpose; its text is the whole message a user sees."""

    exit_status: int = 1


class InputError(ZooError, ValueError):
    """What the user gave is wrong: a spec, a data file, a run directory, a checkpoint (exit status 2)."""

    exit_status = 2


class EnvironmentFault(ZooError, RuntimeError):
    """The machine cannot do it: a framework is missing, memory or disk is short (exit status 3)."""

    exit_status = 3


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a spec: where it stands and what would be right."""

    message: str
    path: str = ""
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if self.file and self.line is not None:
            place += f":{self.line}"
        return ": ".join(part for part in (place, self.path, self.message) if part)


_MOST = 4_000
"""Letters of a message: what fits a terminal. All problems are in ``problems``."""


class SpecError(InputError):
    """Everything that is wrong in a spec, at once: one line per problem, as many as people read."""

    def __init__(self, problems: str | Problem | list[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems: tuple[Problem, ...] = tuple(problems) if isinstance(problems, list) else (problems,)
        super().__init__(_told(self.problems))


def _told(problems: tuple[Problem, ...]) -> str:
    lines: list[str] = []
    left = _MOST
    for problem in problems:
        line = str(problem)
        if lines and len(line) > left:
            return "\n".join([*lines, f"... and {len(problems) - len(lines):,} more of the kind"])
        lines.append(
            line if len(line) <= _MOST else f"{line[:_MOST]} ... ({len(line) - _MOST:,} more letters)"
        )
        left -= len(line) + 1
    return "\n".join(lines)
