"""GLUE's own files as labelled text: the columns as nyu-mll/GLUE-baselines has them, quotes that are text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, sources, vocabulary_sources
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sources.cells import Cells, TableForm, name_of, text_of
from zoo_common.data.sources.rows import Lines
from zoo_common.data.sources.table_files import MakeRecord, TextTableFile
from zoo_common.data.unpacked import open_unpacked
from zoo_spec.data import GlueData, LabelledText
from zoo_spec.data.table import Column
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError

_ENTAILMENT = ("entailment", "not_entailment")
_INFERENCE = ("contradiction", "entailment", "neutral")
_CLASSES = ("0", "1")


@dataclass(frozen=True)
class _Layout:
    """A task's file: the columns of its texts and its label, which may be one of ``labels``, or a number (None)."""

    folder: str
    texts: tuple[Column, ...]
    label: Column
    labels: tuple[str, ...] | None = _CLASSES
    header: bool = True
    more_fields: bool = False


_LAYOUTS = {
    "cola": _Layout("CoLA", (3,), 1, header=False),
    "sst2": _Layout("SST-2", (0,), 1),
    "mrpc": _Layout("MRPC", (3, 4), 0),
    "qqp": _Layout("QQP", (3, 4), 5),
    "stsb": _Layout("STS-B", (7, 8), 9, None, more_fields=True),
    "mnli": _Layout("MNLI", (8, 9), "gold_label", _INFERENCE),
    "qnli": _Layout("QNLI", (1, 2), 3, _ENTAILMENT),
    "rte": _Layout("RTE", (1, 2), 3, _ENTAILMENT),
    "wnli": _Layout("WNLI", (1, 2), 3),
    "ax": _Layout("AX", ("Premise", "Hypothesis"), "Label", _INFERENCE),
}
_MICROSOFT = "msr_paraphrase_train.txt"


def _file_of(data: GlueData, split: Split) -> tuple[Path, _Layout]:
    """The file of a part, and how it is laid out; one that is not there is its reader's to refuse."""
    if data.task == "ax" and split == "train":
        return folder_of(data, "MNLI") / "train.tsv", _LAYOUTS["mnli"]
    layout = _LAYOUTS[data.task]
    folder = folder_of(data, layout.folder)
    if data.task == "ax":
        found = folder if folder.is_dir() else folder_of(data, "diagnostic")
        return found / "diagnostic-full.tsv", layout
    if data.task == "mrpc" and not (folder / "train.tsv").exists() and (folder / _MICROSOFT).exists():
        return folder / _MICROSOFT, layout
    part = "train" if split == "train" else f"dev_{data.genres}" if data.task == "mnli" else "dev"
    return folder / f"{part}.tsv", layout


def folder_of(data: GlueData, name: str) -> Path:
    """A task's folder, or the one that the data names where that is the task's own."""
    inside = Path(data.directory) / name
    return inside if inside.is_dir() or data.task == "ax" else Path(data.directory)


@read_records.register
def _read(data: GlueData, split: Split, look: Look) -> FileRecords:
    path, layout = _file_of(data, split)
    form = TableForm(
        (*layout.texts, layout.label),
        data.limits,
        "tsv",
        layout.header,
        what="the file of GLUE",
        more_fields=layout.more_fields,
    )
    record = partial(_record, layout)
    if path.name == _MICROSOFT:
        file: TextTableFile = _Paraphrases(data, path, form, record, split)
    else:
        file = TextTableFile(str(path), form, record)
    return FileRecords(data, [file], look)


def _record(layout: _Layout, cells: Cells, where: str) -> LabelledText:
    *texts, label = cells
    found = tuple(text_of(cell, column, where) for column, cell in zip(layout.texts, texts, strict=True))
    name = name_of(label, layout.label, where)
    if layout.labels is not None and name not in layout.labels:
        raise InputError(f"{where}: the label {name!r} is none of the task's: {', '.join(layout.labels)}")
    return LabelledText(where, found, name, (name,))


class _Paraphrases(TextTableFile):
    """Microsoft's own file, of which ``dev_ids.tsv`` says by pairs of ids which are evaluated on."""

    def __init__(self, data: GlueData, path: Path, form: TableForm, record: MakeRecord, split: Split) -> None:
        super().__init__(str(path), form, record)
        self._split = split
        self._held_out = _pairs(path.with_name("dev_ids.tsv"), data)

    def places(self) -> Iterator[Place]:
        """Those of the wanted part."""
        for place in list(super().places()):
            if (tuple(self.fields(place)[1:3]) in self._held_out) == (self._split == "eval"):
                yield place


def _pairs(path: Path, data: GlueData) -> frozenset[tuple[str, ...]]:
    if not path.exists():
        raise UnreadableFileError(
            path,
            "there is no such file, which says what of MRPC is evaluated on; get it from GLUE's download script",
        )
    with open_unpacked(path, data.limits) as file:
        pairs = [tuple(line.rstrip("\r\n").split("\t")) for line in Lines(file, str(path), data.limits)]
    wrong = next(
        (number for number, pair in enumerate(pairs, start=1) if pair != ("",) and len(pair) != 2), None
    )
    if wrong is not None:
        raise UnreadableFileError(
            path, f"line {wrong} has {len(pairs[wrong - 1])} fields, and two ids are expected"
        )
    return frozenset(pairs)


@sources.register
def _sources(data: GlueData) -> list[Source]:
    train, held_out = _file_of(data, "train")[0], _file_of(data, "eval")[0]
    found = [Source("data.directory: train", train)]
    if train == held_out:
        found.append(Source("data.directory: dev_ids", train.with_name("dev_ids.tsv")))
    else:
        found.append(Source("data.directory: dev", held_out, "eval"))
    return [*found, *vocabulary_sources(data)]
