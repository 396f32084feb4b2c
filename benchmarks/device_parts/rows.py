"""How a stage gives a row of the table."""

from __future__ import annotations

import json


def row(
    what: str, value: float, limit: float | None = None, unit: str = "", *, at_least: bool = False
) -> None:
    """Print one; the arguments are those of ``measure.Row``."""
    given = {"what": what, "value": float(value), "limit": limit, "unit": unit, "at_least": at_least}
    print("ROW " + json.dumps(given), flush=True)


def say(text: str) -> None:
    """Print a line that is no row."""
    print(text, flush=True)
