"""Running text, and what examples of it are like."""

from __future__ import annotations

from typing import Literal

from zoo_spec.base import Rate
from zoo_spec.data.base import FilePaths
from zoo_spec.data.running_text import RunningTextData


class TextData(RunningTextData):
    """Running text of plain files, cut into examples for masked or causal language modelling."""

    kind: Literal["text"] = "text"
    files: FilePaths | None = None
    """Plain text files in UTF-8. Without any, ``corpus`` is read."""
    corpus: Literal["python_docs"] = "python_docs"
    """Embedded text, read when there are no ``files``: the manual pages that every CPython carries."""
    layout: Literal["prose", "sentence_lines"] = "prose"
    """How ``files`` are laid out. ``prose``: lines may be wrapped, a blank line ends a paragraph, two or more
    blank lines or the file's end end a document, sentences are found by their punctuation.
    ``sentence_lines``, as google-research/bert reads it: a sentence a line, a blank line ends a document."""
    tables: Literal["refuse", "as_text"] = "refuse"
    """What becomes of a file that looks like a table (TSV, CSV, JSON lines): its columns, labels and header would be
    learned as if they were text. ``as_text`` means just that."""
    evaluation_files: FilePaths | None = None
    """Text to evaluate on; then nothing of ``files`` is held out."""
    evaluation_fraction: Rate = 0.05
    """Part of the text, by characters, that is held out for evaluation: whole documents drawn by
    ``split_seed``, or each document's last sentences where there are too few documents for that."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None
