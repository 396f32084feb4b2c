"""Tokenizers, each trained once in a process: that the same text gives the same, the tests of each trainer hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable

from zoo_common.data.subwords.tokenizer import Subwords

Train = Callable[..., Subwords]


def trained_once(train: Train) -> Train:
    """As ``train``, of a kind, sentences and settings; for those that it knows it gives what it gave."""
    known: dict[tuple[object, ...], Subwords] = {}

    def found(kind: str, sentences: Iterable[str], *settings: object) -> Subwords:
        lines = list(sentences)
        key = (kind, *settings, hashlib.sha256(json.dumps(lines).encode()).digest())
        if key not in known:
            known[key] = train(kind, lines, *settings)
        return known[key]

    return found
