"""Begin a run with weights of another: by name, and whatever does not fit is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np

from zoo_common.backend import Array, Weights
from zoo_common.checkpoint import CheckpointStore
from zoo_common.log import LOG
from zoo_common.training.run_directory import RunDirectory
from zoo_spec.errors import InputError

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


def warm_started(weights: Mapping[str, Array], source: WarmStart) -> Weights:
    """``weights``, a new model's, with those of ``source`` in their places.

    Only weights are taken: no optimizer state and no step. Those of ``source`` that the model lacks are left.
    Raises InputError, with names and shapes, where one that is to be taken is missing or has another shape.
    """
    settings = source if isinstance(source, WarmStartSettings) else WarmStartSettings(source)
    path = Path(settings.ckpt_to_initialize_from)
    there = read_weights(path)
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
    LOG.info(f"warm start: {len(chosen)} of {len(weights)} weights from {path}")
    taken = {name: np.asarray(there[name], weights[name].dtype) for name in chosen}
    return {**weights, **taken}


def read_weights(path: Path) -> Weights:
    """The weights of a checkpoint's directory, or of a run's newest checkpoint, verified; InputError else."""
    match = _CHECKPOINT.fullmatch(path.name)
    if match:
        return CheckpointStore(path.parent).load(int(match[1])).weights()
    newest = CheckpointStore(RunDirectory(path).checkpoints).latest()
    if newest is None:
        raise InputError(f"{path}: is no checkpoint and no run that has one; give a run's directory")
    return newest.weights()


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
