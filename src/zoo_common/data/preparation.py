"""A directory that ``zoo data prepare`` makes: what is in it, and training from it in the place of the data's files.

It is laid out as a run's: the tokenizer and the names of labels, ``data`` with the store's entries, ``files`` with
copies of what makers of examples read beside records, and ``dataset.json``, which is written last.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue, TypeAdapter, ValidationError

from zoo_common.data.base import Split
from zoo_common.data.file_marks import FileMark
from zoo_common.data.keys import Key
from zoo_common.data.label_names import FILE as LABELS
from zoo_common.data.mixture import parts_of
from zoo_common.data.reader import Wanted
from zoo_common.data.store import FOLDER
from zoo_common.data.subwords.tokenizer_files import FILE as TOKENIZER
from zoo_common.data.subwords.tokenizer_files import RECORD
from zoo_common.files import explained, write_atomically
from zoo_spec.base import NonNegativeInt, Spec
from zoo_spec.data import Data, MixtureData, SourceData
from zoo_spec.data_fit import label_count
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, read_file

FILE, BEGUN = "dataset.json", "preparing.json"
FILES = "files"
KEPT = (TOKENIZER, RECORD, LABELS)
"""What a run takes over from it."""
BESIDE = ("vocabulary", "phrases", "dictionary")
"""Fields of data that name a file which makers of examples read."""
_LONGEST = 1 << 28


class Bin(Spec):
    """How many examples are so long."""

    longest: NonNegativeInt
    examples: NonNegativeInt


class Counts(Spec):
    """What is in one part of the data."""

    records: NonNegativeInt | None
    """None for running text, which is kept as tokens."""
    left_out: NonNegativeInt | None
    """Records that could not be read and were left out (``data.on_bad_record: skip``), with those held out of these
    files; None where nobody counted."""
    examples: NonNegativeInt
    tokens: NonNegativeInt | None
    """Of all examples of an epoch, at most; None where there are none."""
    lengths: dict[str, tuple[Bin, ...]]
    """Of each dimension that examples are filled up along."""


class Preparation(Spec):
    """What ``dataset.json`` says."""

    zoo: str
    """The version that made it."""
    spec: str
    task: str
    key: Key
    """What it was made of: the fields of the spec, the sources with size and SHA-256, the tokenizer's SHA-256."""
    files: dict[str, str]
    """Of ``BESIDE``, and of which source: where the copy lies in the directory."""
    splits: dict[Split, Counts]

    @classmethod
    def read(cls, folder: Path) -> Preparation:
        """That of a directory; raises InputError where there is none, or it was not finished."""
        if not (folder / FILE).is_file():
            begun = (folder / BEGUN).is_file()
            why = (
                "was not prepared to its end"
                if begun
                else f"has no {FILE}"
                if folder.is_dir()
                else "is not there"
            )
            raise InputError(
                f"data.prepared {folder}: {why}; make it with zoo data prepare, which goes on where it stopped, or "
                "leave data.prepared out"
            )
        content = read_file(folder / FILE, most=_LONGEST, remedy="it is none of ours")
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise UnreadableFileError(folder / FILE, f"is damaged: {error.errors()[0]['msg']}") from None

    def write(self, folder: Path) -> None:
        """Keep it; the directory is whole from then on."""
        write_atomically(folder / FILE, self.model_dump_json(indent=1) + "\n")

    def require(self, wanted: Wanted, folder: Path) -> None:
        """Raise InputError, a line for each thing that differs, unless the directory was made of what is wanted."""
        lines = self.key.differences(key_of(wanted, self.key.sources, tokenizer_of(folder)))
        if lines:
            raise InputError(
                "\n  ".join(
                    [
                        f"data.prepared {folder}: was made of other data than the spec says; prepare it again into "
                        "another directory (zoo data prepare), or leave data.prepared out. What differs:",
                        *lines,
                    ]
                )
            )


def tokenizer_of(folder: Path) -> str:
    """SHA-256 of the tokenizer that a directory has; empty where it has none."""
    path = folder / TOKENIZER
    return sha256(read_file(path, most=_LONGEST, remedy="it is none")).hexdigest() if path.is_file() else ""


def key_of(wanted: Wanted, known: Collection[FileMark] = (), tokenizer: str = "") -> Key:
    """What is prepared of the data that is wanted: of a mixture, all that its sources say."""
    graph = wanted.graph
    image = graph.inputs.get("image")
    also: dict[str, JsonValue] = {
        "task.kind": wanted.spec.task.kind,
        "the model's classes": label_count(graph),
        "the model's rows of tokens": graph.table_rows().get("input_ids"),
        "the model's channels": None if image is None else image.shape[-1],
    }
    for part in parts_of(wanted):
        if part.part:
            fields = Key.of(part, known=known).fields
            also |= {f"{part.part}: {name}": value for name, value in fields.items()}
    return Key.of(wanted, known=known, also=also, tokenizer=tokenizer)


def folder_of(data: Data) -> Path | None:
    """The prepared directory that data names; None for data that are read of their files."""
    given = data.prepared if isinstance(data, SourceData | MixtureData) else None
    return None if given is None else Path(given)


@contextmanager
def from_prepared(wanted: Wanted) -> Iterator[Wanted]:
    """What is wanted, of the prepared directory that the data names: its tokenizer, labels, records and files.

    Raises InputError for a directory that was made of other data, or whose tokenizer is not the run's.
    """
    folder = folder_of(wanted.spec.data)
    if folder is None:
        yield wanted
        return
    found = Preparation.read(folder)
    found.require(wanted, folder)
    with _kept(wanted.run_dir) as run_dir:
        _take_over(folder, run_dir)
        data = _adopted(wanted.spec.data, folder, found.files)
        yield replace(wanted, spec=wanted.spec.model_copy(update={"data": data}), run_dir=run_dir)


@contextmanager
def _kept(run_dir: Path | None) -> Iterator[Path]:
    if run_dir is not None:
        yield run_dir
        return
    with TemporaryDirectory(prefix="zoo-") as directory:
        yield Path(directory)


def _take_over(folder: Path, run_dir: Path) -> None:
    """Copy what a run keeps; one that has another already is refused."""
    for name in (TOKENIZER, LABELS):
        own, given = run_dir / name, folder / name
        if own.is_file() and given.is_file() and own.read_bytes() != given.read_bytes():
            raise InputError(
                f"{own}: is not the {name} of data.prepared {folder}; prepare the data with this one "
                "(zoo data prepare --set data.vocabulary=…), or leave data.prepared out"
            )
    for name in KEPT:
        if (folder / name).is_file() and not (run_dir / name).exists():
            with explained("write", run_dir):
                run_dir.mkdir(parents=True, exist_ok=True)
                content = (folder / name).read_bytes()
            write_atomically(run_dir / name, content)


def _adopted(data: Data, folder: Path, files: Mapping[str, str]) -> Data:
    """The data whose paths lead into the directory; of a mixture, its sources'."""
    if isinstance(data, MixtureData):
        sources = tuple(
            source.model_copy(update={"data": _of_part(source.data, folder, f"source_{number}", files)})
            for number, source in enumerate(data.sources)
        )
        update: dict[str, object] = {"sources": sources}
        if data.evaluation is not None:
            update["evaluation"] = _of_part(data.evaluation, folder, "evaluation", files)
        return data.model_copy(update=update)
    return _of_part(data, folder, "", files)


def _of_part(data: Data, folder: Path, part: str, files: Mapping[str, str]) -> Data:
    update = {"prepared": str(folder / FOLDER / part)}
    for field in BESIDE:
        if (name := _named(part, field)) in files:
            update[field] = str(folder / files[name])
    return data.model_copy(update=update)


def copy_files(data: Data, part: str, folder: Path) -> dict[str, str]:
    """Copy the files of ``BESIDE`` into the directory; where each lies there."""
    found = {}
    for field in BESIDE:
        given = getattr(data, field, None)
        if given is None:
            continue
        path = Path(given)
        place = Path(FILES) / part / field
        with explained("write", folder / place):
            (folder / place).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / place / path.name)
            if (merges := path.with_name("merges.txt")).is_file() and path.suffix == ".json":
                shutil.copyfile(merges, folder / place / merges.name)
        found[_named(part, field)] = (place / path.name).as_posix()
    return found


def begin(folder: Path, key: Key) -> None:
    """Say that the directory is being prepared of this."""
    with explained("make the folder", folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / BEGUN, key.model_dump_json(indent=1) + "\n")


def begun(folder: Path) -> Key | None:
    """Of what the directory was begun to be prepared; None where it was not."""
    path = folder / BEGUN
    if not path.is_file():
        return None
    content = read_file(path, most=_LONGEST, remedy="it is none of ours")
    try:
        return TypeAdapter(Key).validate_json(json.dumps(json.loads(content)))
    except (ValueError, ValidationError):
        return None


def _named(part: str, field: str) -> str:
    return f"{part}.{field}" if part else field
