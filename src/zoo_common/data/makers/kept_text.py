"""Running text as a store keeps it: which documents there are, and their tokens, made piece by piece over processes.

The text is gone through twice: once to know its documents, of which some are held out, and once to cut it into
tokens. No more than some pieces of it are ever held.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.base import DataDescription, Split, check_range
from zoo_common.data.crew import Crew, processors
from zoo_common.data.entries import read_part, write_part
from zoo_common.data.makers.documents import cuts
from zoo_common.data.makers.pieces import Arrays, Counted, Encode, Encoding, Places, count, part_number
from zoo_common.data.makers.tokens import TokenCorpus
from zoo_common.data.progress import Work
from zoo_common.data.running_source import Piece, RecordText, TextSource, UnclearTextError, running_source
from zoo_common.data.store import Draft, Entry, Key, Store
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.log import LOG
from zoo_spec.data import RunningTextData
from zoo_spec.errors import EnvironmentFault, InputError

VOCABULARY_TEXT = 8_000_000
"""Characters, about, that a vocabulary is trained on: of a longer text as many, in pieces spread evenly over it."""
_FEW = 4_000_000
"""Bytes of a text that is cut in this process before another one has started."""
_NO_TEXT = ("data.vocabulary", "data.phrases")


class KeptText:
    """The text of ``files`` of the data: those to train on, or those to evaluate on."""

    def __init__(self, store: Store, data: RunningTextData, files: Split) -> None:
        self._store, self._data, self._files = store, data, files
        self._opened: TextSource | None = None

    @cached_property
    def entry(self) -> Entry:
        """Its documents, piece by piece; InputError for text that is missing, damaged or empty."""
        return self._store.entry(f"text_{self._files}", self._key(), self._read)

    @property
    def about(self) -> DataDescription:
        """What it is read from."""
        facts = self.entry.facts
        libraries = cast(list[str], facts["libraries"])
        return DataDescription(
            str(facts["source"]), 0, self._number("source_bytes"), 0, libraries=tuple(libraries)
        )

    @property
    def documents(self) -> int:
        """How many there are."""
        return self._number("documents")

    @property
    def sentences(self) -> int:
        """How many there are."""
        return self._number("sentences")

    @property
    def characters(self) -> int:
        """Of all sentences."""
        return self._number("characters")

    @property
    def fingerprint(self) -> str:
        """SHA-256 that tells the text that is trained on from any other."""
        text = f"{self.entry.facts['sha256']} {self._fraction!r} {self._data.split_seed}"
        return hashlib.sha256(text.encode()).hexdigest()

    def training_sentences(self) -> Iterator[str]:
        """Those that are not held out, as they are tokens of ``running``; of a long text ``VOCABULARY_TEXT``."""
        text = self.characters
        every = max(1, round(text / VOCABULARY_TEXT))
        if every > 1:
            LOG.info(
                f"the vocabulary is trained on {VOCABULARY_TEXT / 1e6:.0f} of {text / 1e6:,.0f} million characters"
            )
        places = self._places
        for number, piece in enumerate(self._source().pieces()):
            if number % every == every // 2:
                yield from places.of(number).running(piece.cut().documents)

    def tokens(self, tokenizer: Subwords, part: Split, rows: int) -> TokenCorpus:
        """Those of what is trained on, or of what is held out, which is all if these are files to evaluate on.

        Raises InputError for an id that the model's embedding, of so many ``rows``, has none for, by its sentence.
        """
        entry = self._tokens(tokenizer)
        ids, sentences, documents = (entry[f"{part}_{name}"] for name in ("ids", "sentences", "documents"))
        found = TokenCorpus(
            cast(NDArray[np.uint16], ids),
            cast(NDArray[np.int64], sentences),
            cast(NDArray[np.int64], documents),
            entry,
        )
        largest = cast(Mapping[str, int], entry.facts["largest"])[part]
        if largest >= rows:
            place = int(np.searchsorted(found.sentences, int(np.argmax(found.ids >= rows)), side="right")) - 1
            check_range(
                found.span(place, place + 1),
                rows,
                "token id",
                place,
                "take the vocabulary that the model was made for",
            )
        return found

    def predicted_bytes(self, tokenizer: Subwords) -> int:
        """Bytes of UTF-8 of the documents for evaluation, as they are cut, less each one's first token."""
        return int(cast(int, self._tokens(tokenizer).facts["predicted_bytes"]))

    def tokens_key(self, tokenizer: Subwords, also: Mapping[str, JsonValue] | None = None) -> Key:
        """What the tokens are made of, and what is ``also`` made of them."""
        held_out = {"data.evaluation_fraction": self._fraction, "data.split_seed": self._data.split_seed}
        return self._key({**held_out, **(also or {})}, tokenizer.sha256)

    @property
    def _fraction(self) -> float:
        """What is held out: all where these are files to evaluate on, nothing where there are such files."""
        if self._files == "eval":
            return 1.0
        return 0.0 if self._data.has_evaluation else self._data.evaluation_fraction

    def _number(self, name: str) -> int:
        return int(cast(int, self.entry.facts[name]))

    def _key(self, also: Mapping[str, JsonValue] | None = None, tokenizer: str = "") -> Key:
        return self._store.key(
            fields=text_fields(self._data), without=_NO_TEXT, also=also, tokenizer=tokenizer
        )

    def _source(self) -> TextSource:
        if self._opened is None:
            by_records = bool(self.entry.facts["by_records"])
            self._opened = (RecordText if by_records else running_source)(self._data, self._files)
        return self._opened

    @cached_property
    def _places(self) -> Places:
        pieces = cast(NDArray[np.int64], self.entry["pieces"])
        sentences, sizes = (
            np.bincount(pieces[:, 1], pieces[:, column], minlength=self.documents).astype(np.int64)
            for column in (2, 3)
        )
        return Places(pieces, cuts(sentences, sizes, self._fraction, self._data.split_seed))

    def _read(self, draft: Draft) -> Mapping[str, JsonValue]:
        try:
            return self._counted(draft, running_source(self._data, self._files))
        except UnclearTextError:  # Records tell what is wrong, and where, and which of them may be left out.
            draft.drop_parts()
            return self._counted(draft, RecordText(self._data, self._files))

    def _counted(self, draft: Draft, source: TextSource) -> Mapping[str, JsonValue]:
        with draft.growing("pieces", np.int64, (4,)) as rows:
            found = Counted(rows)
            for arrays in _over(draft, "read", "reading the text", source, count):
                found.add(arrays)
        about = source.description()
        if not found.documents:
            raise InputError(f"{about.source}: there is no text in it; give files with some")
        self._opened = source
        return {
            "by_records": isinstance(source, RecordText),
            "documents": found.documents,
            "sentences": found.sentences,
            "characters": found.characters,
            "sha256": found.sha256,
            "source": about.source,
            "source_bytes": about.source_bytes,
            "libraries": list(about.libraries),
        }

    def _tokens(self, tokenizer: Subwords) -> Entry:
        return self._store.entry(
            f"tokens_{self._files}", self.tokens_key(tokenizer), partial(self._encoded, tokenizer)
        )

    def _encoded(self, tokenizer: Subwords, draft: Draft) -> Mapping[str, JsonValue]:
        places, source = self._places, self._source()

        def placed(number: int, piece: Piece) -> object:
            return piece, places.of(number)

        title = "cutting the text into tokens"
        arrays = _over(
            draft, "cut", title, source, Encode(tokenizer), placed, is_alone=tokenizer.watched is not None
        )
        with Encoding(draft, tokenizer.size) as encoding:
            for number, each in enumerate(arrays):
                encoding.add(each, places.documents_of(number))
        return encoding.facts()


def text_fields(data: RunningTextData) -> Collection[str]:
    """The fields that decide which sentences there are: a source's own, and how its documents are laid out."""
    shared = set(RunningTextData.model_fields) - {"layout", "on_bad_record", "bad_records"}
    return set(type(data).model_fields) - shared


def _over(
    draft: Draft,
    name: str,
    title: str,
    source: TextSource,
    work: Callable[..., Arrays],
    placed: Callable[[int, Piece], object] = lambda number, piece: piece,
    *,
    is_alone: bool = False,
) -> Iterator[Arrays]:
    """What ``work`` makes of each piece, in order; over processes, unless there is little or it ``is_alone``.

    Of much text each piece's part is kept in the draft, for whoever begins again.
    """
    if source.size < _FEW:
        for number, piece in enumerate(source.pieces()):
            yield work(placed(number, piece))
        return
    sizes: deque[int] = deque()
    pieces = 0

    def items() -> Iterator[tuple[Path, object]]:
        for number, piece in enumerate(source.pieces()):
            sizes.append(piece.size)
            path = draft.part(part_number(name, number))
            yield path, None if read_part(path) is not None else placed(number, piece)

    keep = partial(_keep, work)
    with Work(title, source.size, "bytes") as progress, ExitStack() as stack:
        done = map(keep, items()) if is_alone else stack.enter_context(Crew(keep, processors())).map(items())
        for _ in done:
            progress.advance(sizes.popleft())
            pieces += 1
    for number in range(pieces):
        path = draft.part(part_number(name, number))
        found = read_part(path)
        if found is None:
            raise EnvironmentFault(f"{path}: is damaged since it was written just now; check the disk")
        yield found


def _keep(work: Callable[[object], Arrays], item: tuple[Path, object]) -> None:
    path, given = item
    if given is not None:
        write_part(path, work(given))
