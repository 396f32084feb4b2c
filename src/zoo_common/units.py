"""Large numbers as people read them; units are decimal, and three digits count."""

from __future__ import annotations

import re

_PARAMETERS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9, "T": 10**12}
_PREFIXES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGTPE]?)(B|FLOP)S?\s*/\s*s", re.IGNORECASE)
_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMBGT]?)", re.IGNORECASE)


def bytes_text(count: int) -> str:
    """``1.78 kB``, ``440 MB``, ``3.43 GB``."""
    if count < 1000:
        return f"{count} bytes"
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return f"{_three_digits(count / size)} {unit}"
    return f"{_three_digits(count / 1000)} kB"


def rounded_up(count: int) -> int:
    """The least number of bytes, not less than ``count``, that ``bytes_text`` says exactly."""
    step: int = 10 ** max(0, len(str(count)) - 3)
    return -(-count // step) * step


def short(count: int) -> str:
    """``14.9 G``; numbers below ten thousand as they are."""
    for prefix, size in (("Y", 10**24), ("Z", 10**21), ("E", 10**18), ("P", 10**15), ("T", 10**12),
                         ("G", 10**9), ("M", 10**6), ("k", 10**4)):  # fmt: skip
        if count >= size:
            return f"{_three_digits(count / (1000 if prefix == 'k' else size))} {prefix}"
    return f"{count:,}"


def parameters_text(count: int) -> str:
    """``61.2k``, ``110M``, ``1.56B``, as people count parameters."""
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{_three_digits(count / size)}{unit}"
    return str(count)


def count_of(text: str) -> int | None:
    """The number that ``110M``, ``1.5 B`` or ``4,096`` says; None where it says none."""
    found = _COUNT.fullmatch(text.strip().replace(",", "").replace("_", ""))
    return round(float(found[1]) * _PARAMETERS[found[2].upper()]) if found else None


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """``1 layer``, ``12 layers``, ``2 matrices``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def seconds_text(seconds: float) -> str:
    """``4.00 ms``, ``16.0 s``, ``3.20 min``, ``7.70 h``, ``42.0 days``, ``3.10 years``."""
    for unit, size in (("years", 365.25 * 86400), ("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds)} s" if seconds >= 1 else f"{_three_digits(seconds * 1000)} ms"


def rate_of(text: str, unit: str) -> float | None:
    """How many ``B`` a second ``3GB/s`` says, or ``FLOP`` ``200 GFLOP/s``; None for what is no such rate."""
    found = _RATE.fullmatch(text.strip())
    if found is None or found[3].upper() != unit.upper() or not float(found[1]):
        return None
    return float(found[1]) * _PREFIXES[found[2].upper()]


def _three_digits(value: float) -> str:
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"
