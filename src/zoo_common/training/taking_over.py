"""What is asked of a checkpoint before its content is taken over: that it is this run's, fits, and is numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from zoo_common.backend import Array
from zoo_common.checkpoint import SavedWeights
from zoo_common.log import LOG
from zoo_common.training.origin import Origin
from zoo_common.weights import Entry, WeightSource
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_spec.reading import printable
from zoo_spec.training import Training

_SHOWN = 5


_NARROWER = {"float32": ("float16", "bfloat16"), "float64": ("float16", "bfloat16", "float32")}


class Widened(WeightSource):
    """Another source's tensors in the dtype that a model has, which holds every value of theirs exactly."""

    def __init__(self, source: WeightSource, dtype: str) -> None:
        self._source, self._dtype = source, dtype
        self.entries = {name: Entry(dtype, entry.shape) for name, entry in source.entries.items()}

    @property
    def lasts(self) -> bool:
        """Whether the other does."""
        return self._source.lasts

    def read(self, name: str) -> Array:
        """The tensor, wide."""
        return self._source.read(name).astype(self._dtype, copy=False)


class Finite(WeightSource):
    """Another source's tensors; InputError where one that is read holds NaN or infinity."""

    def __init__(self, source: WeightSource, where: str, remedy: str) -> None:
        self.entries = source.entries
        self._source, self._where, self._remedy = source, where, remedy

    @property
    def lasts(self) -> bool:
        """Whether the other does."""
        return self._source.lasts

    def read(self, name: str) -> Array:
        """The tensor, of numbers."""
        array = self._source.read(name)
        if not is_finite(array):
            raise InputError(f"{self._where}: {printable(name)} holds NaN or infinity; {self._remedy}")
        return array


def finite(source: WeightSource, checkpoint: SavedWeights) -> Finite:
    """What a run goes on from, or computes with."""
    remedy = "delete or move this checkpoint to go on from the one before"
    return Finite(source, str(checkpoint.path), remedy)


def require_origin(
    checkpoint: SavedWeights, directory: Path, *, spec_hash: str, seed: int, generator: str | None
) -> None:
    """Raise InputError unless a checkpoint is one that this run saved, by a spec that it was trained by.

    A run of before there was a record has its newest spec alone, which may be another Zoo's: that is told.
    """
    state = checkpoint.state
    random = state.get("random")
    drawn = random if isinstance(random, dict) else {}
    expected: dict[str, tuple[JsonValue, JsonValue]] = {
        "step": (state.get("step"), checkpoint.step),
        "random.seed": (drawn.get("seed"), seed),
    }
    if generator is not None:
        expected["random.generator"] = (drawn.get("generator"), generator)
    wrong = [
        f"{name} is {printable(repr(found))[:80]} in its state.json, and {wanted!r} is right"
        for name, (found, wanted) in expected.items()
        if found != wanted or isinstance(found, bool)
    ]
    origin = Origin.read(directory)
    known = origin.spec_hashes if origin is not None else ()
    is_foreign = checkpoint.spec_hash not in (*known, spec_hash)
    if is_foreign and known:
        wrong.append(
            f"it was trained by a spec of hash {printable(checkpoint.spec_hash)[:12]}…, and this run by "
            f"{', '.join(f'{each[:12]}…' for each in known)}"
        )
    if wrong:
        raise InputError(
            f"{checkpoint.path}: is not of this run: {'; '.join(wrong)}; put the run's own checkpoint back, or begin "
            f"another run with its weights (zoo train --initialize-from {checkpoint.path})"
        )
    if is_foreign or (known and spec_hash not in known):
        LOG.warning(
            f"{directory / 'spec.yaml'}: is not, to the letter, the spec that {checkpoint.path.name} was trained by "
            "(it was edited, or written by another Zoo); it is taken as it stands"
        )


def require_fit(checkpoint: SavedWeights, graph: Graph, training: Training, directory: Path) -> None:
    """Raise InputError unless a checkpoint has the graph's weights, by name, shape and dtype; reads no values."""
    table, there = graph.parameters(), checkpoint.weights().entries
    dtype = dtype_of(training)
    # What was published keeps its precision until it is trained.
    narrower = _NARROWER[dtype] if checkpoint.is_published else ()
    wrong = [f"{printable(name)} is not in the model" for name in sorted(set(there) - set(table))]
    wrong += [f"{name} is not in the checkpoint" for name in sorted(set(table) - set(there))]
    wrong += [
        f"{name} has the shape {list(there[name].shape)}, the model's has {list(parameter.shape)}"
        for name, parameter in table.items()
        if name in there and there[name].shape != parameter.shape
    ]
    wrong += [
        f"{printable(name)} is {entry.dtype}, and with training.precision {training.precision} it is {dtype}"
        for name, entry in checkpoint.entries().items()
        if entry.dtype not in (dtype, *narrower)
    ]
    if wrong:
        more = [f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        title = (
            f"{checkpoint.path}: does not fit {directory / 'spec.yaml'}; put back the spec that this run was "
            "trained with:"
        )
        raise InputError("\n  ".join([title, *wrong[:_SHOWN], *more]))


def dtype_of(training: Training) -> str:
    """That of a model's weights, as it is trained and saved."""
    return "float64" if training.precision == "float64" else "float32"


def not_finite(arrays: Mapping[str, Array]) -> list[str]:
    """Names of the arrays that hold NaN or infinity."""
    return [printable(name) for name, array in arrays.items() if not is_finite(array)]


def is_finite(array: Array) -> bool:
    """Whether an array holds neither NaN nor infinity."""
    # The least and the largest value tell, for both pass a NaN on; nothing is allocated.
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)  # To NumPy it is no float.
    if array.dtype.kind != "f" or not array.size:
        return True
    return bool(np.isfinite(array.min()) and np.isfinite(array.max()))
