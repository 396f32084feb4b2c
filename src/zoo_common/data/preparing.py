"""What ``zoo data prepare`` does: all that a first start would do with the data, into a directory, once."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.base import SPLITS, Dataset, Split
from zoo_common.data.entries import Draft, read_part
from zoo_common.data.kept_records import entry_name, facts_of, part_of, write_one, write_parts
from zoo_common.data.keys import Key
from zoo_common.data.mixture import parts_of
from zoo_common.data.preparation import (
    BEGUN,
    FILES,
    KEPT,
    Bin,
    Counts,
    Preparation,
    begin,
    begun,
    copy_files,
    key_of,
    tokenizer_of,
)
from zoo_common.data.preparation import FILE as SAID
from zoo_common.data.progress import Work
from zoo_common.data.reader import Wanted, as_trained_on, open_data
from zoo_common.data.records import Records, gathered
from zoo_common.data.store import FOLDER, Store
from zoo_common.files import explained
from zoo_common.log import LOG
from zoo_spec.data import MixtureData, SourceData
from zoo_spec.data_fit import check_data
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.experiment import ExperimentSpec

_PART_BYTES, _MOST_OF_PART = 32 << 20, 50_000
"""Bytes of records that are one part, about, and records at most: a preparation that is killed loses no more."""
_SAMPLE = 16
_BINS = 64
_LOCK = ".preparing.lock"


def prepare(spec: ExperimentSpec, folder: Path, *, processes: int = 1) -> Preparation | None:
    """Make all of the spec's data ready in a directory; None if it has been made already.

    Goes on with one that was begun of the same. Raises InputError for data that are drawn, sources that are wrong or
    change meanwhile, and a directory of something else; EnvironmentFault where it cannot be written.
    """
    graph = spec.graph()
    _require_sources(spec)
    data = spec.data.model_copy(update={"prepared": None})
    spec = spec.model_copy(update={"data": data})
    check_data(spec, graph)
    wanted = Wanted(spec, graph, "train", folder)
    key = key_of(wanted)
    with _alone(folder):
        if _is_done(folder, wanted):
            return None
        _begin(folder, key)
        found = _prepared(wanted, folder, processes)
        now = key_of(wanted, (), found.key.tokenizer)
        lines = key.model_copy(update={"tokenizer": now.tokenizer}).differences(now)
        if lines:
            raise InputError(
                "\n  ".join(["the data changed while they were prepared; prepare them again:", *lines])
            )
        found.write(folder)
        _tidy(folder)
    return found


def _require_sources(spec: ExperimentSpec) -> None:
    data = spec.data
    if data.drawn:
        raise InputError(
            f"{spec.name}: its data are {data.drawn}: there is nothing to prepare; train at once"
        )
    if not isinstance(data, SourceData | MixtureData):
        raise InputError(
            f"{spec.name}: data of kind {data.kind!r} is no source of records: there is nothing to "
            "prepare; train at once"
        )


def _is_done(folder: Path, wanted: Wanted) -> bool:
    """Whether the directory has been prepared of the same; InputError where it is of something else."""
    if (folder / SAID).is_file():
        Preparation.read(folder).require(wanted, folder)
        return True
    return False


def _begin(folder: Path, key: Key) -> None:
    """Begin, or go on; of what was begun of other sources nothing is left."""
    before = begun(folder)
    if before is None:
        if folder.is_dir() and any(each.name not in (_LOCK,) for each in folder.iterdir()):
            raise InputError(
                f"{folder}: holds something else, which is not overwritten; give another directory"
            )
    elif before.fields != key.fields:
        lines = before.model_copy(update={"sources": key.sources}).differences(key)
        raise InputError(
            "\n  ".join(
                [
                    f"{folder}: was begun for another spec; remove it, or give another directory. What differs:",
                    *lines,
                ]
            )
        )
    elif lines := before.differences(key):
        LOG.warning("\n  ".join([f"{folder}: was begun with other sources, and is begun anew:", *lines]))
        with explained("remove what was begun", folder):
            for name in (FOLDER, FILES):
                shutil.rmtree(folder / name, ignore_errors=True)
            for name in KEPT:
                (folder / name).unlink(missing_ok=True)
    begin(folder, key)


def _prepared(wanted: Wanted, folder: Path, processes: int) -> Preparation:
    splits: dict[Split, Counts] = {}
    files: dict[str, str] = {}
    for split in SPLITS:
        opened = [
            _part(replace(each, split=split), processes) for each in parts_of(replace(wanted, split=split))
        ]
        splits[split] = _sum(opened)
    for part in parts_of(wanted):
        files |= copy_files(part.spec.data, part.part, folder)
    spec = wanted.spec
    key = key_of(wanted, (), tokenizer_of(folder))
    return Preparation(
        zoo=_version(), spec=spec.name, task=spec.task.kind, key=key, files=files, splits=splits
    )


def _part(wanted: Wanted, processes: int) -> _Opened:
    """One source for one part of the data: opened as a run opens it, and its records kept."""
    wanted = as_trained_on(wanted)
    with gathered() as opened:
        dataset = open_data(wanted.spec.data, wanted)
    records = next((found for split, found in opened if split == wanted.split), None)
    if records is not None:
        _keep(wanted, records, processes)
    return _Opened(dataset, records, _left_out(wanted))


def _left_out(wanted: Wanted) -> int | None:
    """Bad records, as the index of the source counted them; None where it has none."""
    store = Store.of(wanted)
    indices = () if store.folder is None else store.folder.glob(f"records_{wanted.split}_*")
    found = [entry.facts["bad"] for each in indices if (entry := store.find(each.name)) is not None]
    return max((each for each in found if isinstance(each, int)), default=None)


@dataclass(frozen=True)
class _Opened:
    dataset: Dataset
    records: Records | None
    left_out: int | None

    def counts(self) -> Counts:
        """What is in it."""
        lengths = self.dataset.lengths()
        return Counts(
            records=None if self.records is None else len(self.records),
            left_out=self.left_out,
            examples=len(self.dataset),
            tokens=_tokens(lengths),
            lengths={dimension: _bins(found) for dimension, found in lengths.items()},
        )


def _keep(wanted: Wanted, records: Records, processes: int) -> None:
    image = wanted.graph.inputs.get("image")
    channels = image.shape[-1] if image is not None and isinstance(image.shape[-1], int) else 1
    store = Store.of(wanted)
    key = store.key(also={"channels": channels, "task.kind": wanted.spec.task.kind})

    def make(draft: Draft) -> Mapping[str, JsonValue]:
        ranges = _ranges(records, channels)
        waiting = [each for each in ranges if read_part(draft.part(_name(each))) is None]
        with Work(f"preparing {_WORDS[wanted.split]} records", len(records), "records") as work:
            work.advance(len(records) - sum(end - first for first, end in waiting))
            for first, end in _written(draft, waiting, wanted, records, channels, processes):
                work.advance(end - first)
        write_parts(draft, map(_name, ranges))
        return facts_of(records)

    store.entry(entry_name(wanted.split), key, make)


_WORDS = {"train": "training", "eval": "evaluation"}
Range = tuple[int, int]


def _ranges(records: Records, channels: int) -> list[Range]:
    """Which records are a part, told by the size of some of them."""
    count = len(records)
    some = np.unique(np.linspace(0, count - 1, _SAMPLE).astype(int))
    sizes = [part_of(records, int(each), int(each) + 1, channels)["bytes"].nbytes for each in some]
    step = min(max(1, _PART_BYTES * len(sizes) // sum(sizes)), _MOST_OF_PART)
    return [(first, min(first + step, count)) for first in range(0, count, step)]


def _name(found: Range) -> str:
    return f"records_{found[0]}_{found[1]}"


def _written(
    draft: Draft, waiting: Sequence[Range], wanted: Wanted, records: Records, channels: int, processes: int
) -> Iterator[Range]:
    """Each range once it is written; by this process where there is not enough work for several."""
    count = min(processes, len(waiting))
    if count < 2:
        for each in waiting:
            write_one(draft.part(_name(each)), records, *each, channels)
            yield each
        return
    with ProcessPoolExecutor(
        count,
        mp_context=get_context("spawn"),
        initializer=_begin_process,
        initargs=(wanted, os.getpid()),
    ) as pool:
        jobs: dict[Future[None], Range] = {
            pool.submit(_write_in_process, draft.part(_name(each)), *each, channels): each for each in waiting
        }
        try:
            for done in as_completed(jobs):
                done.result()
                yield jobs[done]
        except BrokenProcessPool as error:
            raise EnvironmentFault(
                "a process that prepares records has died, most often because memory ran out; the same command goes "
                "on where it stopped, with fewer --processes"
            ) from error
        finally:
            for job in jobs:
                job.cancel()


_PROCESS: dict[str, Records] = {}


def _begin_process(wanted: Wanted, parent: int) -> None:
    """Open the data for itself, and end with the parent, however that ends."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with gathered() as opened:
        open_data(wanted.spec.data, wanted)
    _PROCESS["records"] = next(found for split, found in opened if split == wanted.split)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _write_in_process(path: Path, first: int, end: int, channels: int) -> None:
    write_one(path, _PROCESS["records"], first, end, channels)


def _sum(found: Sequence[_Opened]) -> Counts:
    """Of all sources of a part."""
    counts = [each.counts() for each in found]
    records = [each.records for each in counts if each.records is not None]
    left_out = [each.left_out for each in counts if each.left_out is not None]
    tokens = [each.tokens for each in counts if each.tokens is not None]
    lengths: dict[str, dict[int, int]] = {}
    for each in counts:
        for dimension, bins in each.lengths.items():
            own = lengths.setdefault(dimension, {})
            for part in bins:
                own[part.longest] = own.get(part.longest, 0) + part.examples
    return Counts(
        records=sum(records) if records else None,
        left_out=sum(left_out) if left_out else None,
        examples=sum(each.examples for each in counts),
        tokens=sum(tokens) if tokens else None,
        lengths={
            name: tuple(Bin(longest=longest, examples=own[longest]) for longest in sorted(own))
            for name, own in lengths.items()
        },
    )


def _tokens(lengths: Mapping[str, NDArray[np.int32]]) -> int | None:
    found = [
        int(lengths[name].sum(dtype=np.int64)) for name in ("sequence", "target_sequence") if name in lengths
    ]
    return sum(found) if found else None


def _bins(lengths: NDArray[np.int32]) -> tuple[Bin, ...]:
    """Of the same width, ``_BINS`` at the most; empty ones are left out."""
    width = max(1, -(-int(lengths.max(initial=1)) // _BINS))
    counts = np.bincount(np.maximum(lengths - 1, 0) // width)
    bins = enumerate(counts.tolist(), start=1)
    return tuple(Bin(longest=number * width, examples=count) for number, count in bins if count)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time."""
    lock = FileLock(folder / _LOCK, thread_local=False)
    with explained("make the folder", folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(f"{folder}: another process is preparing it; wait for that") from None
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):
            (folder / _LOCK).unlink()


def _tidy(folder: Path) -> None:
    """Take away what the preparation alone needed."""
    with explained("write", folder):
        for path in (
            folder / BEGUN,
            *folder.glob(f"{FOLDER}/**/.*.lock"),
            *folder.glob(f"{FOLDER}/**/sources.json"),
        ):
            path.unlink(missing_ok=True)


def _version() -> str:
    try:
        return version("dualzoo")
    except PackageNotFoundError:
        return "from a source folder that is not installed"
