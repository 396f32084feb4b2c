"""A model as an ONNX file, written by torch's own exporter, which other runtimes run (onnxruntime and the like)."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from zoo_common.backend import Exported
from zoo_spec.errors import EnvironmentFault
from zoo_spec.graph import Graph
from zoo_spec.importing import require_extra
from zoo_torch.container import Model, compute_in
from zoo_torch.export import LEFT_OUT, dtypes, dynamic_shapes, example_inputs

FILE = "model.onnx"
_LARGEST = 2**31 - (64 << 20)
"""Bytes of weights that stand in the file itself: a protocol buffer has at most 2 GiB."""


def export_onnx(model: Model, graph: Graph, path: Path, names: Sequence[str]) -> Exported:
    """Write an ONNX model that takes exactly these features, by name; batch, sequence and the like stay open.

    Beyond 2 GiB the weights stand in a file beside it. A model that computes in bfloat16 is written to compute in
    float32, which every runtime has. Raises EnvironmentFault where ``onnx`` and ``onnxscript`` are missing, or torch
    has no ONNX form of what the model does; OSError where the files cannot be written.
    """
    for module in ("onnx", "onnxscript"):
        require_extra(module, library=module, extra="onnx", what="--format onnx")
    with _in_float32(model) as is_narrow:
        inputs = example_inputs(model, graph, names)
        with torch.no_grad():
            outputs = model(**inputs)
        # Of torch's kernels for attention the plain one alone has the layout that the exporter takes them all for.
        with _quiet(), sdpa_kernel(SDPBackend.MATH):
            try:
                program = torch.onnx.export(
                    model,
                    (),
                    kwargs=inputs,
                    output_names=list(outputs),
                    dynamic_shapes=dynamic_shapes(graph, inputs),
                    dynamo=True,
                    verbose=False,
                )
            except torch.onnx.errors.OnnxExporterError as error:
                reason = str(error.__cause__ or error).strip().partition("\n")[0]
                raise EnvironmentFault(
                    f"torch {torch.__version__} has no ONNX form of {graph.name}: {reason}; take "
                    "--format torch_export"
                ) from error
    assert program is not None
    program.save(path, external_data=_size(model) > _LARGEST)
    left_out = (*LEFT_OUT, *(["bfloat16: it computes in float32"] if is_narrow else []))
    return Exported(path.name, dtypes(inputs), dtypes(outputs), left_out)


def _size(model: nn.Module) -> int:
    return sum(value.nbytes for value in model.parameters())


@contextlib.contextmanager
def _in_float32(model: Model) -> Iterator[bool]:
    """Whether the model computes in half width; it does not meanwhile."""
    half = model._input_dtype
    compute_in(model, None)
    try:
        yield half is not None
    finally:
        compute_in(model, half)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of its own workings."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logger = logging.getLogger("torch.onnx")
        before, logger.disabled = logger.disabled, True
        try:
            yield
        finally:
            logger.disabled = before
