"""The directory that an export is: whole or not at all, with what it is of in ``signature.json``."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from pydantic import JsonValue

from zoo_common.files import explained, free_bytes, fsync_directory, fsync_file, megabytes
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.experiment import ExperimentSpec

SIGNATURE = "signature.json"
_FORMAT, _VERSION = "zoo-export", 2


@contextmanager
def new_export(output: Path, needed: int, *, overwrite: bool) -> Iterator[Path]:
    """A directory to fill, which becomes ``output`` when all of it is on the disk.

    Raises InputError for an output that is there and is no export that may be replaced, EnvironmentFault if it
    cannot be written or there is no room for ``needed`` bytes.
    """
    _require_free(output, overwrite)
    with explained("write the export", output, needed):
        output.parent.mkdir(parents=True, exist_ok=True)
        free = free_bytes(output.parent)
        if free < needed:
            raise EnvironmentFault(
                f"cannot write the export {output}: {megabytes(needed)} needed, {megabytes(free)} free on the "
                "disk; free some room, or give an --output on another disk"
            )
        with _whole_directory(output) as partial:
            yield partial


def sign(
    directory: Path,
    spec: ExperimentSpec,
    content: Mapping[str, JsonValue],
    *,
    step: int,
    files: Iterable[str],
    versions: Mapping[str, str],
) -> dict[str, JsonValue]:
    """Write ``signature.json``: what this is, ``content``, and of which spec and step."""
    signature: dict[str, JsonValue] = {
        "format": _FORMAT,
        "version": _VERSION,
        **content,
        "spec": spec.name,
        "spec_hash": spec.fingerprint(),
        "task": spec.task.kind,
        "step": step,
        "files": list(files),
        "versions": {"dualzoo": version("dualzoo"), **versions},
    }
    text = json.dumps(signature, indent=2, ensure_ascii=False) + "\n"
    (directory / SIGNATURE).write_text(text, encoding="utf-8", newline="\n")
    return signature


def put(files: Mapping[str, bytes], directory: Path) -> None:
    """Write files by their names, in folders where these say so."""
    for name, content in files.items():
        file = directory / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)


def _require_free(output: Path, overwrite: bool) -> None:
    """Refuse a path that holds something, unless it is an export that may be replaced."""
    if not os.path.lexists(output):
        return
    if not output.is_dir():
        raise InputError(f"{output}: is not a directory, which an export is; give another path")
    with explained("read", output):
        found = sorted(entry.name for entry in output.iterdir())
    if not found:
        return
    if SIGNATURE not in found:
        raise InputError(f"{output}: holds no export but {', '.join(found[:3])}; give another directory")
    if not overwrite:
        raise InputError(f"{output}: holds an export already; give another --output, or --overwrite it")


@contextmanager
def _whole_directory(target: Path) -> Iterator[Path]:
    """A new directory to fill, which takes ``target``'s place when all of it is on the disk."""
    mark = secrets.token_hex(4)
    partial, old = (target.with_name(f".{target.name}.{mark}.{what}") for what in ("partial", "replaced"))
    partial.mkdir()
    try:
        yield partial
        for folder, _, files in os.walk(partial):
            for name in files:
                with open(Path(folder) / name, "rb+") as file:
                    fsync_file(file.fileno())
            fsync_directory(Path(folder))
        if target.exists():
            os.replace(target, old)
        os.replace(partial, target)
        fsync_directory(target.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        if old.exists() and not target.exists():
            with suppress(OSError):
                os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
