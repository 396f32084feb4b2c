"""What commands print: JSON for programs, tables for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue
    from rich.console import Console


def print_json(document: Mapping[str, JsonValue] | Sequence[JsonValue]) -> None:
    """One JSON document; NaN and infinity, which JSON lacks, are refused."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def console() -> Console:
    """Standard output as wide as the terminal, or as COLUMNS says; 100 columns where neither is known."""
    import os
    import sys

    from rich.console import Console

    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if known else 100, highlight=False, markup=False, emoji=False, soft_wrap=False)
