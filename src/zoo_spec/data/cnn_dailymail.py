"""CNN/DailyMail as its stories lie on the disk (Hermann et al., 2015; See et al., 2017)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from zoo_spec.data.base import FilePaths
from zoo_spec.data.summaries import SummaryData


class CnnDailyMail(SummaryData):
    """Folders of ``*.story`` files, each an article with its ``@highlight`` lines.

    Stories without a text (some 114 of the published ones) and those of a URL list that are not there are counted
    and left out. A story without a highlight is a bad record.
    """

    kind: Literal["cnn_dailymail"] = "cnn_dailymail"
    stories: FilePaths
    """The folders: ``cnn/stories``, ``dailymail/stories``."""
    urls: FilePaths | None = None
    """Lists of the articles' addresses, one a line (``url_lists/all_train.txt``): a story belongs to the address
    whose SHA-1 is its name. Without any, all stories are trained on."""
    evaluation_urls: FilePaths | None = None
    """Those to evaluate on (``url_lists/all_val.txt``); then nothing of the others is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_urls`` are named."""
        return self.evaluation_urls is not None

    @model_validator(mode="after")
    def _splits_by_lists(self) -> Self:
        if self.evaluation_urls is not None and self.urls is None:
            raise ValueError("evaluation_urls is given, and urls is not: name the lists to train on, too")
        return self
