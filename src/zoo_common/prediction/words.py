"""Text as a run's tokenizer and model see it, shared by the predictions that read text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import JsonValue

from zoo_common.backend import Array
from zoo_common.data.base import Example
from zoo_common.data.tokenizer import CONTINUES, WordPiece
from zoo_common.prediction.base import Answer
from zoo_common.prediction.probabilities import likeliest, rounded, softmax
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph

UNKNOWN = "[UNK]"


class Words:
    """Feeds token ids to a model, and tells the words of its answers."""

    def __init__(self, tokenizer: WordPiece, graph: Graph, *, fed: Sequence[str], top: int) -> None:
        """``fed`` are the inputs that are made from text; raises InputError if the model needs others."""
        needed = [name for name in graph.features if not graph.inputs[name].optional and name not in fed]
        if needed or "input_ids" not in graph.inputs:
            raise InputError(
                f"{graph.name} needs the input {', '.join(needed) or 'input_ids'}, and text gives "
                f"{', '.join(fed)}; predict with the compiled model itself (zoo_torch.compile, zoo_tf.compile)"
            )
        self.tokenizer, self.top = tokenizer, top
        self.inputs = frozenset(graph.features)
        self._longest = graph.bounds["sequence"].maximum if "sequence" in graph.bounds else None
        self._unknown = tokenizer.tokenizer.token_to_id(UNKNOWN)

    def features(self, ids: list[int], **others: list[int]) -> Example:
        """The inputs that the model has of ``ids [sequence]`` and ``others``; nothing in them is padding.

        Raises InputError if there are more ids than the model has positions for.
        """
        if self._longest is not None and len(ids) > self._longest:
            raise InputError(
                f"the text has {len(ids):,} tokens, special ones included, and the model takes "
                f"{self._longest:,}; shorten it"
            )
        given = {"input_ids": ids, "example_ids": [1] * len(ids), **others}
        return {name: np.asarray(value, np.int32) for name, value in given.items() if name in self.inputs}

    def unknown(self, text: str, ids: list[int]) -> Answer:
        """``unknown``, the words of a text that the tokenizer has no pieces for, if there are any."""
        if self._unknown is None or self._unknown not in ids:
            return {}
        encoded = self.tokenizer.tokenizer.encode(text, add_special_tokens=False)
        found = zip(encoded.ids, encoded.offsets, strict=True)
        words: list[JsonValue] = [text[start:end] for each, (start, end) in found if each == self._unknown]
        return {"unknown": words}

    def likeliest(self, logits: Array) -> list[Answer]:
        """The ``top`` words of ``logits [vocabulary]``, the likeliest first, with their probabilities.

        Rows of the embedding that no token has are no words, though they take part in the softmax.
        """
        probabilities = softmax(logits)
        return [
            {"word": self.word(index), "probability": rounded(probabilities[index])}
            for index in likeliest(probabilities[: self.tokenizer.size], self.top)
        ]

    def word(self, index: int) -> str:
        """The token of an id; what goes on with a word begins with ``##``."""
        return self.tokenizer.tokenizer.id_to_token(index) or UNKNOWN


def joined(text: str, word: str) -> str:
    """A text with a word after it; one that goes on with the last word is put right behind it."""
    return text.rstrip() + word.removeprefix(CONTINUES) if word.startswith(CONTINUES) else text + word
