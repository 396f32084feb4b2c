"""A run's weights as files that others read, written without any framework."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from zoo_common.export.folder import new_export, sign
from zoo_common.export.formats import FileFormat, Trained

_OVERHEAD = 1 << 20
"""Bytes for what stands beside the weights."""


def export_files(
    trained: Trained, form: FileFormat, output: Path, *, overwrite: bool = False
) -> dict[str, JsonValue]:
    """Write weights in a format to the directory ``output``, whole or not at all; returns its signature.

    Raises InputError for a model or a task that the format does not have, and for an output that is there;
    EnvironmentFault if it cannot be written.
    """
    needed = form.needed(trained) + sum(len(content) for content in trained.beside.values()) + _OVERHEAD
    with new_export(output, needed, overwrite=overwrite) as partial:
        written = form.write(trained, partial)
        content: dict[str, JsonValue] = {
            "framework": None,
            "kind": form.kind,
            **({} if trained.labels is None else {"labels": list(trained.labels)}),
            "left_out": list(written.left_out),
        }
        return sign(partial, trained.spec, content, step=trained.step, files=written.files, versions={})
