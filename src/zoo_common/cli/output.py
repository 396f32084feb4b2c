"""What commands print: JSON for programs, tables for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue


def print_json(document: Mapping[str, JsonValue] | Sequence[JsonValue]) -> None:
    """One JSON document; NaN and infinity, which JSON lacks, are refused."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


@contextmanager
def to_a_reader() -> Iterator[None]:
    """Print for as long as somebody reads: if nobody does any more, the command goes on, to its own exit status."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        mute()


def mute() -> None:
    """Nobody reads on: let what is still to be printed, and Python's own flush at exit, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
