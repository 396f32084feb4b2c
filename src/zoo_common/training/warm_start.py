"""Begin a run with weights of another: by name, and with a report of each."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from zoo_common.backend import Weights
from zoo_common.checkpoint import CheckpointStore, SavedWeights
from zoo_common.log import LOG
from zoo_common.training.origin import Beginning
from zoo_common.training.run_directory import SPEC, RunDirectory
from zoo_common.training.taking_over import Finite
from zoo_common.weights import Choice, Part, Report, Row, WeightSource
from zoo_spec.errors import InputError
from zoo_spec.reading import printable

_CHECKPOINT = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True)
class WarmStartSettings:
    """From where to take weights, and which; the names are tf.estimator's.

    ``vars_to_warm_start`` are regular expressions, one or several: weights of the new model whose name one of
    them matches from its start are taken, and of a model of one's own must be there. The others keep their initial
    values, as a new head has to.
    """

    ckpt_to_initialize_from: str | PathLike[str]
    vars_to_warm_start: str | Sequence[str] = ".*"


WarmStart: TypeAlias = WarmStartSettings | str | PathLike[str]
"""A run's directory, one of its checkpoints, or either with the choice of weights."""


def directory_of(given: WarmStart) -> str:
    """The directory that is named, as it is named."""
    return str(Path(_settings(given).ckpt_to_initialize_from))


def source_of(given: WarmStart | None) -> str | None:
    """The same in full, for a run's record."""
    return None if given is None else printable(Path(directory_of(given)).resolve())


def _settings(given: WarmStart) -> WarmStartSettings:
    return given if isinstance(given, WarmStartSettings) else WarmStartSettings(given)


def hash_of(given: WarmStart) -> str | None:
    """The SHA-256 of the weights that it stands for now; None where there are none any more."""
    try:
        with contextlib.closing(_checkpoint(Path(directory_of(given)))) as found:
            return found.weights_hash
    except InputError:
        return None


@dataclass(frozen=True)
class Given:
    """Another run's weights, of which a new one is to take some: what they are called, and the run's description.

    ``wanted`` says of a new model's weight whether it is asked for, ``patterns`` how that was said.
    """

    name: str
    weights: WeightSource
    spec_file: Path
    patterns: tuple[str, ...]

    def wanted(self, name: str) -> bool:
        """Whether one of the patterns matches the name from its start."""
        return any(re.match(pattern, name) for pattern in self.patterns)


Choose: TypeAlias = Callable[[WeightSource, Given], tuple[WeightSource, Report]]
"""``(a new model's own values, what is given)`` to what it begins with, and a report of that."""


@contextlib.contextmanager
def warm_started(
    own: WeightSource, given: WarmStart, choose: Choose | None = None
) -> Iterator[tuple[WeightSource, Beginning]]:
    """``own``, a new model's values, with those that ``choose`` takes of ``given``, and what these are of.

    Only weights are taken: no optimizer state and no step. By default every one that is asked for has to be there in
    its shape. What is read is read while this lasts. Raises InputError, with names and shapes, where one that is to
    be taken is missing, has another shape, or, once it is read, is not finite.
    """
    settings = _settings(given)
    with contextlib.closing(_checkpoint(Path(settings.ckpt_to_initialize_from))) as found:
        path = found.path
        beginning = Beginning(
            source=source_of(given) or "",
            path=printable(path.resolve()),
            step=found.step,
            sha256=found.weights_hash,
        )
        wanted = settings.vars_to_warm_start
        patterns = (wanted,) if isinstance(wanted, str) else tuple(wanted)
        numbers = Finite(found.weights(), f"warm start: {path}", "give a checkpoint of before it diverged")
        offered = Given(f"{path}", numbers, path.parent.parent / SPEC, patterns)
        if not any(map(offered.wanted, own)):
            raise InputError(f"warm start: {list(patterns)} match none of the weights {_some(list(own))}")
        weights, report = (choose or every_one)(own, offered)
        LOG.info("\n".join(report.lines()))
        yield weights, beginning


def every_one(own: WeightSource, given: Given) -> tuple[WeightSource, Report]:
    """Every weight that is asked for; InputError where one of them is not there, or has another shape."""
    there, path = given.weights, given.name
    chosen = [name for name in own if given.wanted(name)]
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
    taken = set(chosen)
    rows = [
        Row("taken" if name in taken else "new", name, entry.shape, "" if name in taken else "not asked for")
        for name, entry in own.entries.items()
    ]
    rows += [Row("left", name, entry.shape) for name, entry in there.entries.items() if name not in taken]
    return Choice(Part(there, chosen), own), Report(path, tuple(rows))


def read_weights(path: Path) -> Weights:
    """The weights of a checkpoint's directory, or of a run's newest checkpoint, verified; InputError else."""
    with contextlib.closing(_checkpoint(path)) as found:
        return dict(found.weights())


def require_there(given: WarmStart) -> None:
    """InputError unless there is a checkpoint where it says; opens none."""
    path = Path(directory_of(given))
    store, step = _place(path)
    if not store.steps():
        raise _nothing(path)
    if step is not None:
        store.require(step)


def _place(path: Path) -> tuple[CheckpointStore, int | None]:
    """Where its checkpoints are, and which of them is meant; None for the newest."""
    match = _CHECKPOINT.fullmatch(path.name)
    if match:
        return CheckpointStore(path.parent), int(match[1])
    return CheckpointStore(RunDirectory(path).checkpoints), None


def _checkpoint(path: Path) -> SavedWeights:
    store, step = _place(path)
    found = store.latest_weights() if step is None else store.load_weights(step)
    if found is None:
        raise _nothing(path)
    return found


def _nothing(path: Path) -> InputError:
    is_published = (path / "config.json").is_file() or path.is_file()
    remedy = (
        f"import it first (zoo import {path} --output DIR), and give DIR"
        if is_published
        else "give a run's directory"
    )
    return InputError(f"{path}: is no checkpoint and no run that has one; {remedy}")


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
