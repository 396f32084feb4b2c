"""A run's newest weights for who needs no framework to use them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo_common.training.run_directory import RunDirectory
from zoo_common.training.run_storage import RunStorage
from zoo_common.training.spec_beginning import spec_in
from zoo_common.training.taking_over import finite, require_fit, require_origin
from zoo_common.weights import WeightSource
from zoo_spec.experiment import ExperimentSpec


@dataclass(frozen=True)
class SavedRun:
    """A run's spec, and the weights of its newest checkpoint, to be read one at a time."""

    spec: ExperimentSpec
    weights: WeightSource
    step: int


@contextlib.contextmanager
def saved_run(directory: Path) -> Iterator[SavedRun]:
    """What a run's directory holds, for as long as this lasts.

    Raises InputError unless there is a run with a checkpoint of its own, which fits its spec.
    """
    run = RunDirectory(directory)
    run.require()
    spec = spec_in(run.spec_file)
    training = spec.training
    with contextlib.closing(RunStorage(directory).newest()) as newest:
        require_origin(
            newest, directory, spec_hash=spec.fingerprint(), seed=training.seed, generator=training.random
        )
        require_fit(newest, spec.graph(), training, directory)
        yield SavedRun(spec, finite(newest.weights(), newest), newest.step)
