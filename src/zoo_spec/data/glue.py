"""GLUE's own files (Wang et al., 2019), as its download script leaves them."""

from __future__ import annotations

from typing import Literal

from zoo_spec.data.base import FilePath
from zoo_spec.data.labelled_text import LabelledTextData

GlueTask = Literal["cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "wnli", "ax"]


class GlueData(LabelledTextData):
    """One of GLUE's nine tasks, or its diagnostic set, of its own files, with its own split and labels.

    ``train`` is learned from and ``dev`` evaluated on: the labels of ``test`` are hidden.
    """

    kind: Literal["glue"] = "glue"
    task: GlueTask
    """Which of them. ``ax``, the diagnostic set, is evaluated on (``diagnostic-full.tsv``) by what MNLI teaches."""
    directory: FilePath
    """GLUE's folder, with ``CoLA``, ``SST-2``, …, in it, or that of the task. MRPC may be ``train.tsv`` and
    ``dev.tsv``, or Microsoft's ``msr_paraphrase_train.txt`` with ``dev_ids.tsv``."""
    genres: Literal["matched", "mismatched"] = "matched"
    """Which of MNLI's is evaluated on: of the genres that are learned from, or of others."""
    on_bad_record: Literal["fail", "skip"] = "skip"
    """What becomes of a row that cannot be read: a few of QQP's have a tab in a text, and all readers leave them
    out. ``skip``: it is left out, counted and logged. ``fail``: the first is an error."""

    @property
    def has_evaluation(self) -> bool:
        """All have a file of their own."""
        return True

    @property
    def texts(self) -> int:
        """One of CoLA and SST-2, else two."""
        return 1 if self.task in ("cola", "sst2") else 2
