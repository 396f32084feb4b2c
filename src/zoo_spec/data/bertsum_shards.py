"""BERTSUM's own shards (nlpyang/BertSum): documents and summaries that CoreNLP has cut into tokens."""

from __future__ import annotations

from typing import Literal

from zoo_spec.data.base import FilePaths
from zoo_spec.data.summaries import SummaryData


class BertSumShards(SummaryData):
    """Files of JSON, ``[{"src": [[token, ...], ...], "tgt": [[token, ...], ...]}, ...]``: a list a sentence.

    They are what ``preprocess.py -mode format_to_lines`` writes, ``PREFIX.train.0.json`` and so on.
    """

    kind: Literal["bertsum_shards"] = "bertsum_shards"
    files: FilePaths
    """The files to train on, in UTF-8; mostly a pattern, ``json_data/cnndm.train.*.json``."""
    evaluation_files: FilePaths | None = None
    """Files to evaluate on; then nothing of ``files`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None
