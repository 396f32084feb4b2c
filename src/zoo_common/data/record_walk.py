"""The look at all records of files, of which some are taken; in parts, which a start that is killed leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, TypeAdapter

from zoo_common.data.entries import Draft, read_part, write_part
from zoo_common.data.progress import Work
from zoo_common.data.record_files import IndexedFile, Learner, Look, Place, RecordFile, Tolerance
from zoo_spec.data import Data
from zoo_spec.reading import reading

Block = NDArray[np.int64]
"""Places ``[records, 2]``."""
AT_ONCE = 1 << 18
"""Records of a part."""
_TOLD_AFTER = 4096
"""Records until progress is told again."""


class Walk:
    """Goes through the records of files once; ``firsts`` are then those of the files, ``tolerance`` what was bad."""

    def __init__(
        self, data: Data, files: Sequence[RecordFile], look: Look, learner: Learner | None = None
    ) -> None:
        """``learner`` is who looks, if nobody but it does: only then does a part say all that was learned of it."""
        self._files, self._look, self._learner = files, look, learner
        self.tolerance, self.firsts = Tolerance(data), list[int]()

    def blocks(self) -> Iterator[Block]:
        """The places of the records that are taken, file by file."""
        count = 0
        for file in self._files:
            self.firsts.append(count)
            with reading(file.path):
                # All of a file's places are found before the first is read, which may read elsewhere in it.
                taken = self._taken(file, _block(file.places()), lambda records: None)
            count += len(taken)
            yield taken

    def blocks_in_parts(self, draft: Draft) -> Iterator[Block]:
        """The same of large files: no more than a part is in memory, and one that ``draft`` has is not read again.

        How far it is is told on the way.
        """
        count = 0
        names = ", ".join(file.path for file in self._files[:1]) + ", …" * (len(self._files) > 1)
        # A folder's size is asked of all its files.
        sizes = [file.size for file in self._files]
        with Work(f"looking at {names}", 2 * sum(sizes), "bytes") as work:
            for number, file in enumerate(self._files):
                self.firsts.append(count)
                parts = _Parts(draft, file, number, sizes[number], work)
                with reading(file.path):
                    parts.find()
                for part in range(parts.count):
                    with reading(file.path):
                        taken = self._of_part(parts, file, part)
                    count += len(taken)
                    yield taken

    def _of_part(self, parts: _Parts, file: RecordFile, part: int) -> Block:
        if self._learner is not None:
            known = parts.taken(part)
            if known is not None and self._learner.recall(known[1]["learned"]):
                self.tolerance.recall(known[1])
                parts.told(part, 1.0)
                return known[0]
        found = parts.found(part)
        taken = self._taken(file, found, lambda records: parts.told(part, records / max(len(found), 1)))
        if self._learner is not None:
            parts.keep_taken(part, taken, {**self.tolerance.counts, "learned": self._learner.learned()})
        return taken

    def _taken(self, file: RecordFile, found: Block, told: Callable[[int], None]) -> Block:
        good = np.ones(len(found), np.bool_)
        for start in range(0, len(found), _TOLD_AFTER):
            some = found[start : start + _TOLD_AFTER].tolist()
            if self.tolerance.is_strict:
                for at, number in some:
                    self._look(file.read((at, number)))
                self.tolerance.good += len(some)
            else:
                for index, (at, number) in enumerate(some, start):
                    good[index] = self.tolerance.takes(partial(_show, self._look, file, (at, number)))
            told(len(some))
        return found if good.all() else found[good]


class _Parts:
    """What is kept of a file while its records are looked at."""

    def __init__(self, draft: Draft, file: RecordFile, number: int, size: int, work: Work) -> None:
        self._draft, self._file, self._number, self._size, self._work = draft, file, number, size, work
        self.count = 0

    def find(self) -> None:
        """Find all places, unless they are kept."""
        end = self._draft.part(f"found_{self._number}")
        kept = read_part(end)
        if kept is not None:
            self.count = int(kept.pop("parts"))
            if isinstance(self._file, IndexedFile):
                self._file.recall(kept)
            self._work.advance(self._size)
            return
        places, before = self._file.places(), 0
        while len(block := _block(islice(places, AT_ONCE))):
            write_part(self._draft.part(self._named("found", self.count)), {"places": block})
            self.count += 1
            if isinstance(self._file, IndexedFile):
                passed = self._file.passed((int(block[-1, 0]), int(block[-1, 1])))
                self._work.advance(passed - before)
                before = passed
        self._work.advance(self._size - before)
        more = self._file.kept() if isinstance(self._file, IndexedFile) else {}
        write_part(end, {**more, "parts": np.asarray(self.count)})

    def found(self, part: int) -> Block:
        """The places of a part."""
        kept = read_part(self._draft.part(self._named("found", part)))
        if kept is not None:
            return kept["places"].astype(np.int64, copy=False)
        return _block(islice(self._file.places(), part * AT_ONCE, (part + 1) * AT_ONCE))

    def taken(self, part: int) -> tuple[Block, dict[str, JsonValue]] | None:
        """Those that were taken of a part that has been looked at, and what was known behind it."""
        kept = read_part(self._draft.part(self._named("taken", part)))
        if kept is None:
            return None
        state = TypeAdapter(dict[str, JsonValue]).validate_json(kept["state"].tobytes())
        return kept["places"].astype(np.int64, copy=False), state

    def keep_taken(self, part: int, taken: Block, state: dict[str, JsonValue]) -> None:
        """A part has been looked at."""
        content = np.frombuffer(json.dumps(state).encode(), np.uint8)
        write_part(self._draft.part(self._named("taken", part)), {"places": taken, "state": content})

    def told(self, part: int, share: float) -> None:
        """So much more of a part has been looked at."""
        self._work.advance(round(self._size * share / max(self.count, 1)))

    def _named(self, what: str, part: int) -> str:
        return f"{what}_{self._number}_{part}"


def _block(places: Iterator[Place]) -> Block:
    return np.fromiter(chain.from_iterable(places), np.int64).reshape(-1, 2)


def _show(look: Look, file: RecordFile, place: Place) -> None:
    look(file.read(place))
