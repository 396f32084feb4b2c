"""A run at step 0, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import JsonValue

from zoo_common.checkpoint import CheckpointStore
from zoo_common.data.label_names import write_label_names
from zoo_common.data.subwords.tokenizer_files import keep_published
from zoo_common.files import explained, fsync_directory, write_atomically
from zoo_common.published.tokenizers import FOLDER, Tokenizer, kept_files
from zoo_common.training.origin import Beginning, Origin
from zoo_common.training.run_directory import RunDirectory
from zoo_common.training.run_record import write_record
from zoo_common.training.run_storage import spec_text
from zoo_common.weights import Choice, InitialValues, Part, WeightSource
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.reading import open_file, printable

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Kept:
    """What a run keeps of where its weights are from, beside them."""

    source: Path
    files: Sequence[Path]
    folder: Path
    tokenizer: Tokenizer | None
    labels: list[str] | None


def require_new(output: Path) -> None:
    """Raise InputError for a path that is there, unless it is an empty folder."""
    if not os.path.lexists(output):
        return
    with explained("read", output):
        if output.is_dir() and not output.is_symlink() and not any(output.iterdir()):
            return
    raise InputError(f"{printable(output)}: is there already; give a new path, or an empty folder")


def write_run(output: Path, spec: ExperimentSpec, weights: WeightSource, kept: Kept) -> None:
    """Make ``output``, a run of ``spec`` at step 0; what ``weights`` lacks has its initial values.

    Raises EnvironmentFault where there is no room; nothing is left behind then.
    """
    graph = spec.graph()
    parameters = graph.parameters()
    new = [name for name in parameters if name not in weights]
    own = Part(InitialValues(parameters, spec.training.seed), new)
    with _made(output) as partial:
        run = RunDirectory(partial)
        state: dict[str, JsonValue] = {
            "step": 0,
            "framework": None,
            "data": {"examples": 0},
            "random": {"seed": spec.training.seed, "generator": spec.training.random},
        }
        given = Part(Choice(weights, own), list(parameters))
        with ThreadPoolExecutor(1) as beside:  # Both mostly hash, in C.
            sha256 = beside.submit(sha256_of_all, kept.files)
            CheckpointStore(run.checkpoints).save(0, given, {}, state, spec.fingerprint())
        place = printable(kept.source.resolve())
        began = Beginning(source=place, path=place, step=0, sha256=sha256.result())
        origin = Origin(spec_hashes=(spec.fingerprint(),), began_with=began)
        own_versions: JsonValue = {"dualzoo": version("dualzoo"), "python": platform.python_version()}
        write_record(partial, versions=[own_versions], origin=origin.as_json())
        write_atomically(run.spec_file, spec_text(spec.resolved()))
        if kept.labels is not None:
            write_label_names(partial, kept.labels)
        if kept.tokenizer is not None:
            keep_published(kept.tokenizer.pieces, partial)
        _copy(kept_files(kept.folder), partial / FOLDER)


def sha256_of_all(files: Sequence[Path]) -> str:
    """SHA-256 of a file; of several, of their names and hashes in order."""
    hashes = {}
    for path in files:
        with open_file(path) as file:
            hashes[path.name] = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    text = "".join(f"{found}  {name}\n" for name, found in sorted(hashes.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def _copy(files: Sequence[Path], target: Path) -> None:
    if not files:
        return
    with explained("write", target):
        target.mkdir()
        for path in files:
            with open_file(path) as file, (target / path.name).open("xb") as copy:
                shutil.copyfileobj(file, copy, _CHUNK)


@contextmanager
def _made(output: Path) -> Iterator[Path]:
    """A folder beside ``output``, which becomes it if all goes well, and goes else."""
    partial = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    with explained("write", output):
        output.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
    try:
        yield partial
        with explained("write", output):
            fsync_directory(partial)
            if output.is_dir():
                output.rmdir()  # Windows puts nothing in the place of a folder, empty or not.
            os.replace(partial, output)
            fsync_directory(output.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
