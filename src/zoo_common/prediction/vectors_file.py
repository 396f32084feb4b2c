"""Vectors of answers as rows of an ``.npy`` file, ``[inputs, size]`` in float32, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from zoo_common.files import explained
from zoo_common.prediction.base import Answer
from zoo_spec.errors import InputError

_HEADER = {"descr": "<f4", "fortran_order": False}


def check_vectors_file(path: Path, embeddings: str | None) -> str:
    """Which vector of an answer is written; InputError where there are none, or several, or no such file can be."""
    if embeddings not in ("sentence", "pooled"):
        raise InputError(
            f"--output {path} takes a vector for each input: ask for --embeddings sentence or pooled"
        )
    if path.suffix != ".npy":
        raise InputError(f"--output {path}: vectors are written as an .npy file; give it such a name")
    if not path.parent.is_dir():
        raise InputError(f"--output {path}: there is no folder {path.parent}; make it")
    return embeddings


def write_vectors(path: Path, key: str, answers: Iterable[Answer]) -> Iterator[Answer]:
    """The answers, each with the number of its ``row`` in the place of its vector.

    Rows are in the order of inputs; one without an answer has a row of NaN, so that none moves up.
    """
    count, size, missing = 0, 0, 0
    # Nobody else's half-written file is taken for a whole one.
    part = path.with_name(f"{path.name}.part")
    with explained("write", path):
        with part.open("wb") as file:
            for answer in answers:
                vector = answer.pop(key, None)
                if isinstance(vector, list):
                    if not size:
                        size = len(vector)
                        _write_header(file, 0, size)
                        file.write(np.full((missing, size), np.nan, "<f4").tobytes())
                    file.write(np.asarray(vector, "<f4").tobytes())
                    row: JsonValue = count
                    answer["row"] = row
                elif size:
                    file.write(np.full(size, np.nan, "<f4").tobytes())
                else:
                    missing += 1
                count += 1
                yield answer
            if size:
                # NumPy's header has room for the number of rows, so that it stays as long as it was.
                file.seek(0)
                _write_header(file, count, size)
        if size:
            part.replace(path)
        else:
            part.unlink()


def _write_header(file: object, rows: int, size: int) -> None:
    np.lib.format.write_array_header_1_0(file, {**_HEADER, "shape": (rows, size)})  # type: ignore[arg-type]
