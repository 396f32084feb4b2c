"""Begin a run with weights of another: by name, and whatever does not fit is refused by name."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np

from zoo_common.backend import Array, Weights
from zoo_common.checkpoint import Checkpoint, CheckpointStore
from zoo_common.log import LOG
from zoo_common.training.origin import Beginning
from zoo_common.training.run_directory import RunDirectory
from zoo_common.training.taking_over import not_finite
from zoo_spec.errors import InputError
from zoo_spec.reading import printable

_CHECKPOINT = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True)
class WarmStartSettings:
    """From where to take weights, and which; the names are tf.estimator's.

    ``vars_to_warm_start`` are regular expressions, one or several: weights of the new model whose name one of
    them matches from its start are taken, and must be there. The others keep their initial values, as a new
    head has to.
    """

    ckpt_to_initialize_from: str | PathLike[str]
    vars_to_warm_start: str | Sequence[str] = ".*"


WarmStart: TypeAlias = WarmStartSettings | str | PathLike[str]
"""A run's directory, one of its checkpoints, or either with the choice of weights."""


def source_of(given: WarmStart | None) -> str | None:
    """The directory that is named, in full."""
    return None if given is None else printable(Path(_settings(given).ckpt_to_initialize_from).resolve())


def _settings(given: WarmStart) -> WarmStartSettings:
    return given if isinstance(given, WarmStartSettings) else WarmStartSettings(given)


def warm_started(weights: Mapping[str, Array], source: WarmStart) -> tuple[Weights, Beginning]:
    """``weights``, a new model's, with those of ``source`` in their places, and what these are of.

    Only weights are taken: no optimizer state and no step. Those of ``source`` that the model lacks are left.
    Raises InputError, with names and shapes, where one that is to be taken is missing, has another shape, or is
    not finite.
    """
    settings = _settings(source)
    with contextlib.closing(_checkpoint(Path(settings.ckpt_to_initialize_from))) as found:
        path, there = found.path, found.weights()
        beginning = Beginning(
            source=source_of(source) or "",
            path=printable(path.resolve()),
            step=found.step,
            sha256=found.weights_hash,
        )
    wanted = settings.vars_to_warm_start
    patterns = [wanted] if isinstance(wanted, str) else list(wanted)
    chosen = [name for name in weights if any(re.match(pattern, name) for pattern in patterns)]
    if not chosen:
        raise InputError(f"warm start: {patterns} match none of the weights {_some(list(weights))}")
    missing = [name for name in chosen if name not in there]
    if missing:
        raise InputError(
            f"warm start: {path} has no {_some(missing)}; it has {_some(list(there))}. Name the weights to "
            "take by WarmStartSettings' vars_to_warm_start; the others keep their initial values"
        )
    other = [
        f"{name} {list(there[name].shape)} there, {list(weights[name].shape)} here"
        for name in chosen
        if there[name].shape != weights[name].shape
    ]
    if other:
        raise InputError(
            f"warm start: {path} has other shapes: {_some(other)}. Leave these out by WarmStartSettings' "
            "vars_to_warm_start, or give the model the same sizes"
        )
    for name in not_finite({name: there[name] for name in chosen}):
        raise InputError(
            f"warm start: {path}: {name} holds NaN or infinity; give a checkpoint of before it diverged"
        )
    LOG.info(f"warm start: {len(chosen)} of {len(weights)} weights from {path}")
    taken = {name: np.asarray(there[name], weights[name].dtype) for name in chosen}
    return {**weights, **taken}, beginning


def read_weights(path: Path) -> Weights:
    """The weights of a checkpoint's directory, or of a run's newest checkpoint, verified; InputError else."""
    return _checkpoint(path).weights()


def _checkpoint(path: Path) -> Checkpoint:
    match = _CHECKPOINT.fullmatch(path.name)
    if match:
        return CheckpointStore(path.parent).load(int(match[1]))
    newest = CheckpointStore(RunDirectory(path).checkpoints).latest()
    if newest is None:
        raise InputError(f"{path}: is no checkpoint and no run that has one; give a run's directory")
    return newest


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
