"""Running text in plain files, or the text that every Python carries."""

from __future__ import annotations

from typing import Literal

from zoo_spec.data.base import FilePaths
from zoo_spec.data.running_text import RunningTextData


class TextData(RunningTextData):
    """Running text of plain files, cut into examples for masked or causal language modelling."""

    kind: Literal["text"] = "text"
    files: FilePaths | None = None
    """Plain text files in UTF-8, or packed (``.gz``, ``.zst``, ``.xz``, ``.bz2``); a name may be a pattern (``*``,
    ``?``, ``[...]``, ``**``). Without any, ``corpus`` is read."""
    corpus: Literal["python_docs"] = "python_docs"
    """Embedded text, read when there are no ``files``: the manual pages that every CPython carries."""
    documents: Literal["apart", "files"] = "apart"
    """``apart``: the documents of a file stand apart, as ``layout`` says. ``files``: each file is one document, as
    OpenWebText's are."""
    tables: Literal["refuse", "as_text"] = "refuse"
    """What becomes of a file that looks like a table (TSV, CSV, JSON lines): its columns, labels and header would be
    learned as if they were text. ``as_text`` means just that."""
    evaluation_files: FilePaths | None = None
    """Text to evaluate on; then nothing of ``files`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None
