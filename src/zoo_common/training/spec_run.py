"""Runs of specs: a new one, and one that is there."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Collection, Mapping
from functools import cache
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from zoo_common.backend import Backend
from zoo_common.replicas import ALONE, Environment, Replicas
from zoo_common.training.origin import Accepted
from zoo_common.training.run import Run
from zoo_common.training.run_config import RunConfig
from zoo_common.training.run_directory import RunDirectory
from zoo_common.training.run_storage import KEEP, RunStorage
from zoo_common.training.spec_beginning import spec_in
from zoo_common.training.spec_learner import SpecLearner
from zoo_common.training.warm_start import WarmStart, directory_of
from zoo_spec import load_spec
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec

SpecRun: TypeAlias = Run[SpecLearner]


def spec_run(
    backend: Backend,
    spec: ExperimentSpec,
    directory: Path | None = None,
    *,
    device: str = "auto",
    quiet: bool = False,
    keep: int | None = None,
    warm_start_from: WarmStart | None = None,
    accept: Collection[Accepted] = (),
    workers: int | None = None,
    replicas: Replicas = ALONE,
) -> SpecRun:
    """One spec, one backend, one directory.

    Without a directory, everything is kept for as long as the object lives. ``keep`` and ``workers`` are as
    ``RunConfig`` has them. ``warm_start_from`` stands in the place of the spec's ``training.initialize_from``.
    ``replicas`` are those that the backend's ``join`` gave.
    """
    if warm_start_from is None:
        warm_start_from = spec.training.initialize_from
    else:
        said = {"initialize_from": directory_of(warm_start_from)}
        spec = spec.model_copy(update={"training": spec.training.model_copy(update=said)})
    if keep is None:  # Two of a model that is larger than memory may be larger than the disk.
        keep = 1 if spec.training.streams else KEEP
    storage = RunStorage(directory, keep=keep, quiet=quiet, replicas=replicas)
    learner = SpecLearner(
        backend, spec, storage.path, device=device, accept=accept, workers=workers, replicas=replicas
    )
    return Run(learner, storage, warm_start_from=warm_start_from, accept=accept, replicas=replicas)


def reopen(
    backend: Backend,
    directory: Path,
    *,
    device: str = "auto",
    quiet: bool = False,
    accept: Collection[Accepted] = (),
    replicas: Replicas = ALONE,
) -> SpecRun:
    """The run of a spec that a directory holds; InputError if it holds none."""
    run = RunDirectory(directory)
    run.require()
    spec = spec_in(run.spec_file)
    return spec_run(backend, spec, directory, device=device, quiet=quiet, accept=accept, replicas=replicas)


def spec_of(
    model: ExperimentSpec | str | PathLike[str], config: RunConfig | Mapping[str, object] | None = None
) -> ExperimentSpec:
    """The spec, or the one of this name or file, changed by ``config``, overrides by dotted path.

    A ``RunConfig`` goes with either. Raises SpecError for a spec or an override that will not do, InputError
    for overrides of a spec.
    """
    if isinstance(config, RunConfig):
        return config.applied_to(spec_of(model))
    if not isinstance(model, ExperimentSpec):
        return load_spec(model, [f"{path}={json.dumps(value)}" for path, value in (config or {}).items()])
    if config:
        raise InputError("config goes with a spec's name or file; change the ExperimentSpec itself instead")
    return model


def run_of(
    backend: Backend,
    model: ExperimentSpec | str | PathLike[str],
    model_dir: str | PathLike[str] | None,
    config: RunConfig | Mapping[str, object] | None,
    warm_start_from: WarmStart | None,
) -> SpecRun:
    """A spec's run, for a runner that was given these."""
    said = config if isinstance(config, RunConfig) else RunConfig()
    replicas = ALONE if said.train_distribute is None else _met(type(backend))
    return spec_run(
        backend,
        spec_of(model, config),
        said.directory(model_dir),
        device=said.device,
        keep=said.keep_checkpoint_max,
        warm_start_from=warm_start_from,
        accept=said.accept,
        workers=said.workers,
        replicas=replicas,
    )


@cache
def _met(backend: type[Backend]) -> Replicas:
    """Those that the environment speaks of, which a process joins once and leaves as it ends."""
    environment = Environment.read(os.environ)
    if environment is None:
        return ALONE
    found = backend().join(environment)
    atexit.register(found.leave)
    return found
