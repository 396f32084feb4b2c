"""Embedded labelled words: which words of CPython's documentation are code, and which are terms."""

from __future__ import annotations

from typing import Literal

from zoo_spec.base import Rate
from zoo_spec.data.labelled_words import LabelledWordsData


class MarkedWords(LabelledWordsData):
    """The sentences of the manual that every CPython carries, without their markup, which says what each word is.

    ``B-code`` and ``I-code`` were written as code, ``B-term`` and ``I-term`` were stressed, as parameters and terms
    are.
    """

    kind: Literal["marked_words"] = "marked_words"
    corpus: Literal["python_docs"] = "python_docs"
    """The text; there is one."""
    evaluation_fraction: Rate = 0.1
    """Part of the sentences that is held out for evaluation, drawn by ``split_seed``."""
