"""PyTorch at work on a model that computes and learns nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo_common.allocation import OneHeap, Steps
from zoo_common.backend import Array, Batch, Exported, Weights
from zoo_common.paths import Choice
from zoo_common.weights import WeightSource
from zoo_spec.graph import Graph
from zoo_spec.tensors import FLOAT, INT, TensorSpec
from zoo_torch.compiling import DTYPES, compiled
from zoo_torch.container import Model
from zoo_torch.device import choose_device, held_bytes
from zoo_torch.formats import write
from zoo_torch.precision import at_least_float32
from zoo_torch.products import use_fast_products
from zoo_torch.weights import set_weights

CALL = Choice("call", "direct", "compiled", part="call", of=__name__)


class TorchInference:
    """A compiled ``nn.Module``."""

    name = "torch"
    memory: type[Steps | OneHeap] = Steps
    """How that of the CPU is given to tensors."""

    def __init__(self, graph: Graph, weights: WeightSource, *, dtype: str, device: str, tf32: bool) -> None:
        self.device = choose_device(device, dtype)
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        self._memory = self.memory() if self.device.type == "cpu" else None
        if self.device.type == "cpu" and dtype == "float32":
            use_fast_products()
        self.graph = graph
        self.dtype = DTYPES[dtype]
        self.model = self._made(weights, dtype)
        self._traced: Callable[..., dict[str, Tensor]] | None = None

    def _made(self, weights: WeightSource, dtype: str) -> Model:
        return compiled(self.graph, weights, dtype, self.device)

    @torch.no_grad()
    def evaluate_step(self, batch: Batch) -> Weights:
        """All outputs for a batch with labels, without dropout."""
        self._begin([batch])
        return {name: as_array(value) for name, value in self._run(batch).items()}

    def predict_step(self, batch: Batch) -> Weights:
        """All outputs for a batch of features."""
        return self.evaluate_step({name: batch[name] for name in self.graph.features if name in batch})

    def call(self, batch: Batch) -> Weights:
        """All outputs of the model as a user calls it, with nothing said of training or gradients."""
        return {name: as_array(value) for name, value in self._run(batch).items()}

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all weights and nothing else."""
        set_weights(self.model, weights)

    def export(self, directory: Path, features: Sequence[str], format: str) -> Exported:
        """Write a program in a format of torch's that takes these features."""
        return write(self.model, self.graph, directory, features, format)

    def device_bytes(self) -> int | None:
        """Bytes held on the accelerator; None on a CPU."""
        return held_bytes(self.device)

    def _begin(self, batches: Sequence[Batch]) -> None:
        """A step over these batches, or a pass over one."""
        if self._memory is not None:
            self._memory.begin([[(name, value.shape) for name, value in batch.items()] for batch in batches])

    def _run(self, batch: Batch) -> dict[str, Tensor]:
        if CALL.taken("direct") == "direct":
            return self.model(**self._tensors(batch))
        if self._traced is None:
            # As torch.compile and torch.export trace it, but with no compiler, which not every machine has. Begun
            # anew for each model, for after some eight of one class torch would no longer trace, and say nothing.
            torch.compiler.reset()
            self._traced = torch.compile(self.model, backend="eager")
        return self._traced(**self._tensors(batch))

    def _tensors(self, batch: Batch) -> dict[str, Tensor]:
        return {
            name: self._tensor(value, self._dtype(self.graph.inputs[name])) for name, value in batch.items()
        }

    def _dtype(self, spec: TensorSpec) -> torch.dtype | None:
        if spec.dtype == INT:
            return None
        return self.dtype if spec.dtype == FLOAT else torch.promote_types(self.dtype, torch.float32)

    def _tensor(self, value: Array, dtype: torch.dtype | None) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(value)).to(self.device, dtype)


def as_array(value: Tensor) -> Array:
    """What a tensor holds, for the other half."""
    # A copy, for an output may be a parameter itself, such as an embedding's table. NumPy has no bfloat16.
    return np.array(at_least_float32(value.detach()).cpu().numpy())
