"""Checks that both backends make before they take weights."""

from __future__ import annotations

from collections.abc import Collection

from zoo_spec.errors import InputError


def check_names(wanted: Collection[str], given: Collection[str]) -> None:
    """Raise InputError unless the names are the same."""
    missing = [name for name in wanted if name not in given]
    unknown = [name for name in given if name not in wanted]
    if missing or unknown:
        parts = [
            f"{what}: {_some(names)}" for what, names in (("missing", missing), ("unknown", unknown)) if names
        ]
        raise InputError(f"the weights are not this model's; {'; '.join(parts)}")


def check_shape(name: str, wanted: tuple[int, ...], given: tuple[int, ...]) -> None:
    """Raise InputError unless the shapes are the same."""
    if tuple(wanted) != tuple(given):
        raise InputError(f"weight {name!r} has shape {list(given)}; this model has {list(wanted)}")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
