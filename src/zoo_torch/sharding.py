"""A model whose weights, gradients and moments are divided over replicas (FSDP2); a layer is whole as it computes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from zoo_common.backend import Array, Batch, Exported, State, Weights
from zoo_common.weights import Entry, WeightSource, as_source
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.graph import Graph, stack_layers
from zoo_spec.training import Training
from zoo_spec.training.optimizers import check_state
from zoo_spec.weights import check_names, check_shape
from zoo_torch.attention_path import choose_open_lengths
from zoo_torch.compiling import compiled
from zoo_torch.container import Model
from zoo_torch.inference import as_array
from zoo_torch.optimizers import sum_of_squares
from zoo_torch.replicas import TorchReplicas, talking
from zoo_torch.sums import losses_of_all, norms_of
from zoo_torch.training import TorchTraining


class ShardedTraining(TorchTraining):
    """As ``TorchTraining``; every method is called by all replicas, in the same order.

    Each keeps rows of every tensor: what the optimizer updates is this part alone. A layer's weights are gathered for
    as long as it computes, those outside of layers, a tied table among them, for a whole pass.
    """

    sparse_rows = False  # FSDP2 sums dense gradients.

    def __init__(
        self,
        graph: Graph,
        training: Training,
        weights: WeightSource,
        *,
        dtype: str,
        device: str,
        replicas: TorchReplicas,
    ) -> None:
        if not training.optimizer.elementwise:
            raise InputError(
                f"training.sharding: the optimizer {training.optimizer.kind!r} reads whole tensors, and each replica "
                "has rows of them; set it to none"
            )
        self._group = replicas.group
        super().__init__(graph, training, weights, dtype=dtype, device=device, replicas=replicas)
        self.optimizer.norm = self._norm
        self.sums = ShardSums(self, replicas)

    def _made(self, weights: WeightSource, dtype: str) -> Model:
        model = compiled(self.graph, weights, dtype, "meta")
        if self.device.type == "cpu":
            choose_open_lengths(model, self.dtype)  # As where one process holds it whole.
        mesh = DeviceMesh.from_group(dist.group.WORLD, self.device.type)
        layers = [place.path for place in stack_layers(self.graph)]
        for module in (*map(model.get_submodule, layers), model):
            sharded = fully_shard(module, mesh=mesh)
            sharded.set_gradient_divide_factor(1.0)  # Sums, as denominators are those of the whole batch.
            sharded.set_force_sum_reduction_for_comms(True)
        model.to_empty(device=self.device)
        fill(model, weights)
        return model

    def _learned(self, names: Mapping[str, float]) -> dict[str, Tensor]:
        self._shards = {name: value for name, value in self.model.named_parameters() if name in names}
        return {name: _local(value) for name, value in self._shards.items()}

    def _apart(self, training: Training) -> list[nn.Module]:
        """The layers that are divided, whose weights come and go around what is compiled."""
        found = [self.model.get_submodule(place.path) for place in stack_layers(self.graph)]
        if training.compile == "on" and not found:
            raise EnvironmentFault(
                f"training.compile: of a model that is divided over replicas layers are compiled, and "
                f"{self.graph.name} has none; set it to off"
            )
        return found

    def _norm(self, gradients: list[Tensor]) -> Tensor:
        """The global norm of gradients of which each replica has a part."""
        squares = torch.stack([sum_of_squares(gradient) for gradient in gradients]).sum()
        self._group.allreduce([squares]).wait()
        return squares.sqrt()

    def take_gradients(self) -> None:
        """Give each part that is updated the gradient that the passes have left."""
        for name, value in self._shards.items():
            self.parameters[name].grad = None if value.grad is None else _local(value.grad)
            value.grad = None

    def evaluate_step(self, batch: Batch) -> Weights:
        """All outputs for a batch with labels, without dropout; every replica has a batch at the same time."""
        with talking():
            return super().evaluate_step(batch)

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all weights and nothing else; this replica's parts of them are kept."""
        fill(self.model, weights)

    def import_optimizer(self, optimizer: Mapping[str, Array], step: int) -> None:
        """Take over this replica's parts of the optimizer's moments."""
        source = as_source(optimizer)
        moments = self.optimizer.moments
        wholes = {f"{name}/{each}": value for name, value in self._shards.items() for each in moments}
        check_state(
            {name: tuple(value.shape) for name, value in wholes.items()},
            {name: entry.shape for name, entry in source.entries.items()},
        )
        super().import_optimizer(_Parts(source, wholes), step)

    def export_state(self) -> State:
        """This replica's share of the tensors, each of them whole: all replicas together have every one once."""
        weights = dict(self.model.state_dict())
        moments = {
            f"{name}/{moment}": _of_shape(value, self.optimizer.native.state[self.parameters[name]][key])
            for name, value in self._shards.items()
            for moment, key in self.optimizer.moments.items()
        }
        rank, size = self.replicas.rank, self.replicas.size
        own = _shared_out(weights, rank, size) | _shared_out(moments, rank, size)
        held = {name: whole for name, whole in _gathered({**weights, **moments}) if name in own}
        return State(
            {name: held[name] for name in weights if name in held},
            {name: held[name] for name in moments if name in held},
            self.optimizer.step,
            is_part=True,
        )

    def gradients(self, batch: Batch) -> Weights:
        """Gradient of the loss by canonical name, without dropout."""
        loss = self._run(batch)["loss"]
        (loss if self.replicas.rank == 0 else loss * 0).backward()
        found = {
            name: torch.zeros_like(value) if value.grad is None else value.grad
            for name, value in self._shards.items()
        }
        self.model.zero_grad(set_to_none=True)
        return dict(_gathered(found))

    def apply_gradients(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One optimizer step with these gradients."""
        parts = _Parts(as_source(gradients), self._shards)
        given = {name: self._tensor(parts.read(name), value.dtype) for name, value in self.parameters.items()}
        self.optimizer.apply(given, rate)

    def export(self, directory: object, features: object, format: str) -> Exported:
        """Refused: a program has all weights in one place."""
        raise EnvironmentFault(
            "a model that is divided over replicas is not exported by them; run zoo export on its checkpoint"
        )


class ShardSums:
    """The passes themselves have summed the gradients, a layer at a time; what is left are the losses."""

    def __init__(self, model: ShardedTraining, replicas: TorchReplicas) -> None:
        self.model, self.group = model, replicas.group
        self.norms = norms_of(model.model, replicas)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Nothing to do."""
        yield

    def finish(self, losses: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
        """The losses' sums."""
        self.model.take_gradients()
        return losses_of_all(losses, rows, self.norms, self.group)


class _Parts(WeightSource):
    """This replica's part of each tensor of a source."""

    def __init__(self, source: WeightSource, wholes: Mapping[str, Tensor]) -> None:
        self._source, self._wholes = source, wholes
        self.entries = {
            name: Entry(source.entries[name].dtype, tuple(_local(whole).shape))
            for name, whole in wholes.items()
        }

    def read(self, name: str) -> Array:
        return _part(self._source.read(name), self._wholes[name])


def fill(model: nn.Module, weights: Mapping[str, object]) -> None:
    """Set all weights of a model that is divided, of which one is in memory as a whole at a time.

    Raises InputError, changing nothing, unless every name and every shape fits.
    """
    state, source = model.state_dict(), as_source(weights)
    check_names(state, source.entries)
    for name, tensor in state.items():
        check_shape(name, tuple(tensor.shape), source.entries[name].shape)
    with torch.no_grad():
        for name, tensor in state.items():
            part = np.ascontiguousarray(_part(source.read(name), tensor))
            _local(tensor).copy_(torch.from_numpy(part))


def _local(value: Tensor) -> Tensor:
    """The memory of this replica's part."""
    with torch.no_grad():
        return value.to_local() if isinstance(value, DTensor) else value.detach()


def _part(array: Array, whole: Tensor) -> Array:
    """This replica's rows of an array, as FSDP2 divides them; all of what is not divided."""
    if not isinstance(whole, DTensor):
        return array
    rows = len(_local(whole))
    most = -(-len(array) // whole.device_mesh.size())
    start = min(most * whole.device_mesh.get_local_rank(), len(array))
    return array[start : start + rows]


def _of_shape(whole: Tensor, part: Tensor) -> Tensor:
    """Parts that lie beside those of a parameter, as one tensor of its shape."""
    if not isinstance(whole, DTensor):
        return part
    return DTensor.from_local(
        part, whole.device_mesh, whole.placements, run_check=False, shape=whole.shape, stride=whole.stride()
    )


def _gathered(values: Mapping[str, Tensor]) -> Iterator[tuple[str, Array]]:
    """Each tensor as a whole, one at a time, on every replica."""
    for name, value in values.items():
        with talking(), torch.no_grad():
            yield name, as_array(value.full_tensor() if isinstance(value, DTensor) else value)


def _shared_out(values: Mapping[str, Tensor], rank: int, size: int) -> set[str]:
    """The names that are a replica's: consecutive ones, of about as many values as every other's."""
    total, before, found = sum(value.numel() for value in values.values()), 0, set()
    for name, value in values.items():
        if min(size - 1, before * size // max(total, 1)) == rank:
            found.add(name)
        before += value.numel()
    return found
