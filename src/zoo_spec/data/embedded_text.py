"""Labelled text that every Python carries, with nothing to download: to learn by at once, and to try a model on."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import model_validator

from zoo_spec.base import PositiveInt
from zoo_spec.data.labelled_text import LabelledTextData, Names

Chapter = Literal["data_model", "expressions", "statements", "types"]
Property = Literal[
    "composed", "letter", "lowercase", "mark", "number", "right_to_left", "symbol", "uppercase"
]


class PythonChapters(LabelledTextData):
    """Sentences of the manual that every CPython carries, and the chapter that each is of: one of ``labels``.

    The chapters are ``data_model``, ``expressions``, ``statements`` and ``types``, some 2,000 sentences together.
    """

    kind: Literal["python_chapters"] = "python_chapters"
    labels: Names = ("data_model", "statements")
    """The chapters to tell apart; sentences of others are left out."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        _require_known(self.labels, get_args(Chapter))
        return self


class UnicodeProperties(LabelledTextData):
    """Names of Unicode's characters, as Python's ``unicodedata`` has them, and which of the ``labels`` each is.

    The 12,886 characters of Unicode 3.2 that have names of their own (not those numbered through, as ideographs are):
    that version is the same in every Python. What a character may be: ``composed`` (of a letter and a mark),
    ``letter``, ``lowercase``, ``mark``, ``number``, ``right_to_left``, ``symbol``, ``uppercase``.
    """

    kind: Literal["unicode_properties"] = "unicode_properties"
    labels: Names = ("lowercase", "uppercase")
    """What is to be told of each; the names that are none of these are there too."""
    sequence_length: PositiveInt = 24
    """Tokens of an example, special tokens and padding included."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        _require_known(self.labels, get_args(Property))
        return self


class UnicodeNumbers(LabelledTextData):
    """Names of Unicode's characters that are numbers from 0 to 10, and the number: ``VULGAR FRACTION ONE HALF``, 0.5.

    Of Unicode 3.2, as Python's ``unicodedata`` has it: digits of its scripts, Roman and circled ones, fractions.
    """

    kind: Literal["unicode_numbers"] = "unicode_numbers"
    sequence_length: PositiveInt = 24
    """Tokens of an example, special tokens and padding included."""


def _require_known(labels: tuple[str, ...], known: tuple[str, ...]) -> None:
    wrong = next((name for name in labels if name not in known), None)
    if wrong is not None:
        raise ValueError(f"labels has {wrong!r}, which is none of {', '.join(known)}")
