"""A model as a ``torch.export`` program, which torch runs without this package."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn
from torch.export import Dim

from zoo_common.backend import Exported
from zoo_spec.graph import Graph
from zoo_spec.tensors import INT, Windows

PROGRAM = "model.pt2"
LEFT_OUT = (
    "dropout: it computes as in inference",
    "the choice of leaving inputs out: every one is to be given",
)
"""What no program of torch's carries."""


def export_serving(model: nn.Module, graph: Graph, path: Path, feature_names: Iterable[str]) -> Exported:
    """Write a program that takes exactly these features, by keyword, and never a label.

    It needs torch alone to be loaded; open dimensions (batch, sequence) stay open, within the spec's bounds.
    Every feature listed must be given when serving; the outputs are those that they lead to. Layers run as in
    inference. Raises OSError if the file cannot be written.
    """
    inputs = example_inputs(model, graph, feature_names)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            outputs = model(**inputs)
        program = torch.export.export(
            model, (), inputs, dynamic_shapes=dynamic_shapes(graph, inputs), strict=False
        )
    finally:
        model.train(was_training)
    save_program(program, path)
    return Exported(path.name, dtypes(inputs), dtypes(outputs), LEFT_OUT)


def dtypes(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """What their dtypes are called, by name."""
    return {name: str(value.dtype).removeprefix("torch.") for name, value in tensors.items()}


def example_inputs(model: nn.Module, graph: Graph, names: Iterable[str]) -> dict[str, Tensor]:
    """Inputs to trace with, of ``example_sizes``."""
    sizes = example_sizes(graph)
    first = next(iter(model.parameters()))
    inputs = {}
    for name in names:
        spec = graph.inputs[name].bind(sizes)
        dtype = torch.int32 if spec.dtype == INT else first.dtype
        inputs[name] = torch.ones([int(size) for size in spec.shape], dtype=dtype, device=first.device)
    return inputs


def example_sizes(graph: Graph) -> dict[str, int]:
    """A size of each open dimension to trace at, all different where the bounds allow.

    Dimensions of one size look like one dimension to ``torch.export``, and one of size 1 like none.
    """
    sizes: dict[str, int] = {}
    for name, bound in sorted(graph.bounds.items(), key=lambda item: item[1].maximum or float("inf")):
        size = max(2, bound.minimum)
        while size in sizes.values():
            size += 1
        sizes[name] = size if bound.maximum is None else min(size, bound.maximum)
    return sizes


def dynamic_shapes(graph: Graph, names: Iterable[str]) -> dict[str, dict[int, Dim]]:
    """The open dimensions of these inputs with their bounds, by axis."""
    dims = {
        name: Dim(name, min=bound.minimum, max=bound.maximum)
        for name, bound in graph.bounds.items()
        if bound.maximum is None or bound.maximum > max(bound.minimum, 1)
    }
    return {
        name: {
            # Of one that follows from another torch finds out itself how it does.
            axis: Dim.AUTO if isinstance(size, Windows) else dims[size]
            for axis, size in enumerate(graph.inputs[name].shape)
            if isinstance(size, Windows) or size in dims
        }
        for name in names
    }


def save_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Write a program; raises OSError where that cannot be done."""
    with path.open("wb") as file:
        patient = _Patient(file)
        torch.export.save(program, patient)
        patient.check()


class _Patient(io.RawIOBase):
    """A file that keeps an error for later: torch's writer ends the whole process if a write fails."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._error: OSError | None = None
        self._position = 0

    def write(self, data: bytes | memoryview) -> int:
        size = memoryview(data).nbytes
        self._position += size
        if self._error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._error = error
        return size

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        # The writer goes back to the beginning, for a reader, when all is written.
        return offset

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def check(self) -> None:
        """Raise the error that there was, if there was one."""
        if self._error is None:
            self._file.flush()
            return
        raise self._error
