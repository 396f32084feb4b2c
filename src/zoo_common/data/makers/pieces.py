"""What is made of a piece of running text, in any process, and how the pieces' parts are put together again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from tokenizers import Tokenizer

from zoo_common.data.base import SPLITS, Split
from zoo_common.data.entries import Draft, GrowingArray
from zoo_common.data.maps import AnyArray
from zoo_common.data.running_source import Piece
from zoo_common.data.sentences import Document
from zoo_common.data.subwords.by_words import Encoder
from zoo_common.data.subwords.tokenizer import Subwords

Integers = NDArray[np.int64]
Arrays = Mapping[str, AnyArray]
_NEVER = -1
"""In the place of a number of blank lines, where none end a document."""


def count(piece: Piece) -> Arrays:
    """How many sentences and characters its documents have, ``[documents, 2]``, and what stands around them."""
    documents, before, after = piece.cut()
    digest = hashlib.sha256()
    for document in documents:
        digest.update("\n".join((*document, "")).encode("utf-8") + b"\n")
    sizes = [(len(document), sum(map(len, document))) for document in documents]
    blank = _NEVER if math.isinf(piece.blank) else int(piece.blank)
    return {
        "sizes": np.asarray(sizes, np.int64).reshape(-1, 2),
        "around": np.asarray([piece.begins, before, after, blank], np.int64),
        "sha256": np.frombuffer(digest.digest(), np.uint8),
    }


class Counted:
    """The documents of all pieces, of which one may go on over any number of pieces."""

    def __init__(self, rows: GrowingArray) -> None:
        """``rows [parts of documents, 4]``: the piece, the document, its sentences and characters in the piece."""
        self._rows = rows
        self.documents = self.sentences = self.characters = 0
        self._pieces = 0
        self._blank, self._begins = 0, True
        self._digest = hashlib.sha256()

    def add(self, arrays: Arrays) -> None:
        """The next piece, as ``count`` made it."""
        sizes = arrays["sizes"].astype(np.int64)
        begins, before, after, blank = map(int, arrays["around"].tolist())
        self._begins |= bool(begins) or (blank != _NEVER and self._blank + before >= blank)
        number = np.arange(self.documents, self.documents + len(sizes))
        if len(sizes):
            if not self._begins:
                number -= 1
            self.documents = int(number[-1]) + 1
            self._rows.append(np.column_stack([np.full(len(sizes), self._pieces), number, sizes]))
            self._begins = False
        self._blank = after if len(sizes) else self._blank + before
        self.sentences += int(sizes[:, 0].sum())
        self.characters += int(sizes[:, 1].sum())
        self._digest.update(arrays["sha256"].tobytes())
        self._pieces += 1

    @property
    def sha256(self) -> str:
        """Of all sentences, and of where documents end."""
        return self._digest.hexdigest()


class Place(NamedTuple):
    """Where the documents of a piece stand: their first sentence's number, and that from which they are held out."""

    starts: Integers
    cuts: Integers

    def running(self, documents: Sequence[Document]) -> Iterator[str]:
        """The sentences that are trained on, each that goes on with another with the space between them in front."""
        for document, start, cut in zip(documents, self.starts.tolist(), self.cuts.tolist(), strict=True):
            for number, sentence in enumerate(document[: max(cut - start, 0)], start):
                yield f" {sentence}" if number else sentence


class Places:
    """Those of all pieces."""

    def __init__(self, rows: Integers, cuts: Integers) -> None:
        """``rows`` as of ``Counted``; of each document ``cuts`` has its first sentence that is held out."""
        self._pieces, self._documents, self._cuts = (
            np.ascontiguousarray(rows[:, 0]),
            np.ascontiguousarray(rows[:, 1]),
            cuts,
        )
        starts = np.cumsum(rows[:, 2]) - rows[:, 2]
        self._starts = starts - starts[np.searchsorted(self._documents, self._documents)]

    def of(self, piece: int) -> Place:
        """Those of one piece."""
        rows = self._of(piece)
        return Place(self._starts[rows], self._cuts[self._documents[rows]])

    def documents_of(self, piece: int) -> Integers:
        """The numbers of its documents."""
        return self._documents[self._of(piece)]

    def _of(self, piece: int) -> slice:
        first, last = np.searchsorted(self._pieces, [piece, piece + 1]).tolist()
        return slice(first, last)


class Encode:
    """Cuts pieces into tokens."""

    def __init__(self, tokenizer: Subwords) -> None:
        self._tokenizer = tokenizer
        self._encoder = Encoder(tokenizer)

    def __reduce__(self) -> tuple[object, tuple[type[Subwords], Tokenizer, str]]:
        found = self._tokenizer
        return _encode, (type(found), found.tokenizer, found.origin)

    def __call__(self, given: tuple[Piece, Place]) -> Arrays:
        """``ids [tokens]`` and, for each sentence, how many it has, whether it is held out, and its document.

        ``bytes [documents, 3]`` is of those held out: the document in the piece, its bytes, and how many end with
        its first token, -1 where it has none.
        """
        piece, place = given
        documents = piece.cut().documents
        texts: list[str] = []
        held_out: list[bool] = []
        rows: list[tuple[int, int, int]] = []
        for row, (document, start, cut) in enumerate(
            zip(documents, place.starts.tolist(), place.cuts.tolist(), strict=True)
        ):
            mine = [
                sentence if number in (0, cut) else f" {sentence}"
                for number, sentence in enumerate(document, start)
            ]
            held = max(start + len(document) - max(cut, start), 0)
            texts += mine
            held_out += [False] * (len(mine) - held) + [True] * held
            if held:
                rows.append((row, *self._bytes(mine[len(mine) - held :])))
        ids, lengths = self._encoder.encode(texts)
        return {
            "ids": ids.astype(dtype_of(self._tokenizer.size)),
            "lengths": lengths,
            "held_out": np.asarray(held_out, np.bool_),
            "rows": np.repeat(np.arange(len(documents)), [len(document) for document in documents]),
            "bytes": np.asarray(rows, np.int64).reshape(-1, 3),
        }

    def _bytes(self, texts: Sequence[str]) -> tuple[int, int]:
        sizes = [len(text.encode("utf-8")) for text in texts]
        before = 0
        for text, size in zip(texts, sizes, strict=True):
            if found := self._tokenizer.pieces(text):
                _, _, end = found[0]
                return sum(sizes), before + len(text[:end].encode("utf-8"))
            before += size
        return sum(sizes), -1


def _encode(kind: type[Subwords], tokenizer: Tokenizer, origin: str) -> Encode:
    return Encode(kind(tokenizer, origin))


def dtype_of(size: int) -> type[np.uint16] | type[np.int32]:
    """Of ids below ``size``."""
    return np.uint16 if size <= 1 << 16 else np.int32


class Encoding:
    """The tokens of all pieces as they are kept, those of what is trained on and of what is held out."""

    def __init__(self, draft: Draft, size: int) -> None:
        self._parts = {split: _Tokens(draft, split, size) for split in SPLITS}
        self._stack = ExitStack()
        self._bytes, self._document, self._has_token = 0, -1, False

    def __enter__(self) -> Self:
        for part in self._parts.values():
            part.open(self._stack)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for part in self._parts.values():
                part.finish()
        self._stack.__exit__(kind, error, trace)

    def add(self, arrays: Arrays, documents: Integers) -> None:
        """The next piece, as ``Encode`` made it; ``documents`` are the numbers of those in it."""
        lengths, held_out = arrays["lengths"].astype(np.int64), arrays["held_out"].astype(np.bool_)
        of_token = np.repeat(held_out, lengths)
        document = documents[arrays["rows"].astype(np.int64)]
        for split, part in self._parts.items():
            mine = held_out if split == "eval" else ~held_out
            token_mine = of_token if split == "eval" else ~of_token
            part.add(arrays["ids"][token_mine], lengths[mine], document[mine])
        for row, size, ends in arrays["bytes"].tolist():
            if int(documents[row]) != self._document:
                self._document, self._has_token = int(documents[row]), False
            if self._has_token or ends >= 0:
                self._bytes += size - (0 if self._has_token else ends)
                self._has_token = True

    def facts(self) -> dict[str, JsonValue]:
        """What is kept with them."""
        return {
            "predicted_bytes": self._bytes,
            "largest": {split: part.largest for split, part in self._parts.items()},
        }


class _Tokens:
    """Arrays of a ``TokenCorpus``; sentences and documents that have no token are left out."""

    def __init__(self, draft: Draft, split: Split, size: int) -> None:
        self._ids = draft.growing(f"{split}_ids", dtype_of(size))
        self._sentences = draft.growing(f"{split}_sentences", np.int64)
        self._documents = draft.growing(f"{split}_documents", np.int64)
        self._tokens, self._last = 0, -1
        self.largest = -1

    def open(self, stack: ExitStack) -> None:
        for array in (self._ids, self._sentences, self._documents):
            stack.enter_context(array)
        self._sentences.append(np.zeros(1, np.int64))

    def add(self, ids: AnyArray, lengths: Integers, documents: Integers) -> None:
        has_some = lengths > 0
        lengths, documents = lengths[has_some], documents[has_some]
        if not len(lengths):
            return
        begins = np.concatenate([[self._last], documents[:-1]]) != documents
        self._documents.append(len(self._sentences) - 1 + np.flatnonzero(begins))
        self._sentences.append(self._tokens + np.cumsum(lengths))
        self._ids.append(ids)
        self._tokens += int(lengths.sum())
        self._last = int(documents[-1])
        self.largest = max(self.largest, int(ids.astype(np.int64).max()))

    def finish(self) -> None:
        self._documents.append(np.asarray([len(self._sentences) - 1]))


def part_number(name: str, number: int) -> str:
    """What a piece's part is called."""
    return f"{name}_{number:06d}"
