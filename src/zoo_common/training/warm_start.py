"""Begin a run with weights of another: by name, and whatever does not fit is refused by name."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from zoo_common.backend import Weights
from zoo_common.checkpoint import CheckpointStore, SavedWeights
from zoo_common.log import LOG
from zoo_common.training.origin import Beginning
from zoo_common.training.run_directory import RunDirectory
from zoo_common.training.taking_over import Finite
from zoo_common.weights import Choice, Part, WeightSource
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


@contextlib.contextmanager
def warm_started(own: WeightSource, given: WarmStart) -> Iterator[tuple[WeightSource, Beginning]]:
    """``own``, a new model's values, with those that ``given`` names in their places, and what these are of.

    Only weights are taken: no optimizer state and no step. Those that the model lacks are left. What is read is
    read while this lasts. Raises InputError, with names and shapes, where one that is to be taken is missing, has
    another shape, or, once it is read, is not finite.
    """
    settings = _settings(given)
    with contextlib.closing(_checkpoint(Path(settings.ckpt_to_initialize_from))) as found:
        path, there = found.path, found.weights()
        chosen = _chosen(settings, path, there, own)
        beginning = Beginning(
            source=source_of(given) or "",
            path=printable(path.resolve()),
            step=found.step,
            sha256=found.weights_hash,
        )
        LOG.info(f"warm start: {len(chosen)} of {len(own)} weights from {path}")
        taken = Finite(Part(there, chosen), f"warm start: {path}", "give a checkpoint of before it diverged")
        yield Choice(taken, own), beginning


def _chosen(settings: WarmStartSettings, path: Path, there: WeightSource, own: WeightSource) -> list[str]:
    """The names to take; InputError where one of them cannot be."""
    wanted = settings.vars_to_warm_start
    patterns = [wanted] if isinstance(wanted, str) else list(wanted)
    chosen = [name for name in own if any(re.match(pattern, name) for pattern in patterns)]
    if not chosen:
        raise InputError(f"warm start: {patterns} match none of the weights {_some(list(own))}")
    missing = [name for name in chosen if name not in there]
    if missing:
        raise InputError(
            f"warm start: {path} has no {_some(missing)}; it has {_some(list(there))}. Name the weights to "
            "take by WarmStartSettings' vars_to_warm_start; the others keep their initial values"
        )
    other = [
        f"{name} {list(there.entries[name].shape)} there, {list(own.entries[name].shape)} here"
        for name in chosen
        if there.entries[name].shape != own.entries[name].shape
    ]
    if other:
        raise InputError(
            f"warm start: {path} has other shapes: {_some(other)}. Leave these out by WarmStartSettings' "
            "vars_to_warm_start, or give the model the same sizes"
        )
    return chosen


def read_weights(path: Path) -> Weights:
    """The weights of a checkpoint's directory, or of a run's newest checkpoint, verified; InputError else."""
    with contextlib.closing(_checkpoint(path)) as found:
        return dict(found.weights())


def _checkpoint(path: Path) -> SavedWeights:
    match = _CHECKPOINT.fullmatch(path.name)
    if match:
        return CheckpointStore(path.parent).load_weights(int(match[1]))
    newest = CheckpointStore(RunDirectory(path).checkpoints).latest_weights()
    if newest is None:
        raise InputError(f"{path}: is no checkpoint and no run that has one; give a run's directory")
    return newest


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
