"""DAGM 2007 in its own files: a folder of textures, and which of them have a defect, marked by an ellipse.

``Train/Label/Labels.txt`` has a row for each image, ``number, 1 or 0, image, 0, its label's image or 0``, by tabs,
behind a first line of one number that some copies lack.
"""

from __future__ import annotations

from pathlib import Path

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, sources
from zoo_common.data.records import FileRecords, Look, read_records
from zoo_common.data.sources.folders import folder
from zoo_common.data.sources.masks import Coding, MaskedFiles
from zoo_common.data.unpacked import read_text
from zoo_spec.data.inspection import Dagm2007
from zoo_spec.data.limits import TextLimits
from zoo_spec.reading import UnreadableFileError

_PARTS: dict[Split, str] = {"train": "Train", "eval": "Test"}


@read_records.register
def _read(data: Dagm2007, split: Split, look: Look) -> FileRecords:
    part = _class_folder(data) / _PARTS[split]
    pairs = _pairs(folder(part), data.only_defective)
    return FileRecords(data, [MaskedFiles(str(part), pairs, data.limits, Coding((0, 255)))], look)


def _class_folder(data: Dagm2007) -> Path:
    root = folder(data.directory)
    return root if (root / "Train").is_dir() else folder(root / f"Class{data.class_id}")


def _pairs(part: Path, only_defective: bool) -> list[tuple[str, str | None]]:
    table = part / "Label" / "Labels.txt"
    lines = [line.strip() for line in read_text(str(table), TextLimits()).split("\n")]
    pairs: list[tuple[str, str | None]] = []
    for number, line in enumerate(lines, start=1):
        cells = line.split()
        if not cells or (number == 1 and len(cells) == 1):
            continue
        if len(cells) < 5 or cells[1] not in ("0", "1"):
            raise UnreadableFileError(
                table,
                f"line {number}: is no row of a number, 1 or 0, an image, 0, and its label's image or 0",
            )
        image, mask = part / cells[2], part / "Label" / cells[4]
        is_defective = cells[1] == "1"
        for path in (image, mask) if is_defective else (image,):
            if not path.is_file():
                raise UnreadableFileError(table, f"line {number}: there is no {path}")
        if is_defective or not only_defective:
            pairs.append((str(image), str(mask) if is_defective else None))
    return pairs


@sources.register
def _sources(data: Dagm2007) -> list[Source]:
    found = []
    for use, name in _PARTS.items():
        part = _class_folder(data) / name
        if part.is_dir():
            files = sorted(
                str(path.relative_to(part).as_posix()) for path in part.glob("**/*") if path.is_file()
            )
            found.append(Source(f"data.directory ({name})", part, use, tuple(files)))
    return found
