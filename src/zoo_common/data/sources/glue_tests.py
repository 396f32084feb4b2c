"""GLUE's test files, whose labels are hidden: the index and texts of each row, and what a submission is called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo_common.data.sources.cells import Cells, TableForm, text_of
from zoo_common.data.sources.glue import folder_of
from zoo_common.data.sources.table_files import TextTableFile
from zoo_spec.data import GlueData, LabelledText
from zoo_spec.data.records import Record
from zoo_spec.errors import InputError


@dataclass(frozen=True)
class _Test:
    """The columns of a test file's texts; ``submitted`` is the file that the benchmark's site takes."""

    folder: str
    file: str
    submitted: str
    texts: tuple[int, ...] = (1, 2)


_AX = (_Test("AX", "AX.tsv", "AX.tsv"), _Test("diagnostic", "diagnostic.tsv", "AX.tsv"))
_TESTS = {
    "cola": (_Test("CoLA", "test.tsv", "CoLA.tsv", (1,)),),
    "sst2": (_Test("SST-2", "test.tsv", "SST-2.tsv", (1,)),),
    "mrpc": (_Test("MRPC", "test.tsv", "MRPC.tsv", (3, 4)),),
    "qqp": (_Test("QQP", "test.tsv", "QQP.tsv"),),
    "stsb": (_Test("STS-B", "test.tsv", "STS-B.tsv", (7, 8)),),
    "mnli": (
        _Test("MNLI", "test_matched.tsv", "MNLI-m.tsv", (8, 9)),
        _Test("MNLI", "test_mismatched.tsv", "MNLI-mm.tsv", (8, 9)),
    ),
    "qnli": (_Test("QNLI", "test.tsv", "QNLI.tsv"),),
    "rte": (_Test("RTE", "test.tsv", "RTE.tsv"),),
    "wnli": (_Test("WNLI", "test.tsv", "WNLI.tsv"),),
    "ax": _AX,
}


class Unlabelled:
    """The rows of one test file, in its order; of a row ``label`` is its index."""

    def __init__(self, data: GlueData, test: _Test) -> None:
        """Raises InputError for a file that is missing, or of other columns."""
        self.submitted = test.submitted
        self.path = folder_of(data, test.folder) / test.file
        columns = (0, *test.texts)
        form = TableForm(columns, data.limits, "tsv", True, what="the test file of GLUE", more_fields=True)

        def record(cells: Cells, where: str) -> Record:
            index, *texts = (
                text_of(cell, column, where) for cell, column in zip(cells, columns, strict=True)
            )
            return LabelledText(where, tuple(texts), index, (index,))

        self._file = TextTableFile(str(self.path), form, record)
        self._places = list(self._file.places())

    def rows(self) -> Iterator[LabelledText]:
        """One at a time."""
        for place in self._places:
            found = self._file.read(place)
            assert isinstance(found, LabelledText)
            yield found


def unlabelled(data: GlueData) -> list[Unlabelled]:
    """Those of a task; of MNLI both, and the diagnostic set where it is there. InputError where there is none."""
    found = [test for test in _TESTS[data.task] if (folder_of(data, test.folder) / test.file).is_file()]
    if (data.task != "ax" and len(found) < len(_TESTS[data.task])) or not found:
        missing = next(test for test in _TESTS[data.task] if test not in found)
        raise InputError(
            f"{folder_of(data, missing.folder) / missing.file}: there is no such file; get it from GLUE's download "
            "script, or set data.directory"
        )
    diagnostic = [test for test in _AX if (Path(data.directory) / test.folder / test.file).is_file()]
    chosen = [*found, *(diagnostic if data.task == "mnli" else ())]
    once = {test.submitted: test for test in reversed(chosen)}
    return [Unlabelled(data, test) for test in reversed(once.values())]
