"""Names of classes, as a spec lists them in the order of their ids."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from zoo_spec.data.base import as_tuple


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"has {name!r} twice; name each once")
    return names


ClassNames = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1),
    AfterValidator(_once),
]
