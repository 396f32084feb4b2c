"""How a run is kept: where, how often it is saved and logged, its seed and device; both runners take it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

from zoo_common.training.origin import Accepted, require_accepted
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec


@dataclass(frozen=True)
class RunConfig:
    """What is said of a run beside its model. Raises InputError for values out of range.

    Its names are those of ``tf.estimator.RunConfig`` where that had one. None leaves a spec's own value, or
    takes the default that is given here for a model of one's own.
    """

    model_dir: str | PathLike[str] | None = None
    """The run's directory; the runner's own argument says the same."""
    seed: int | None = None
    """Of initial values that Keras draws, of dropout and of shuffling. By default 0."""
    save_checkpoints_steps: int | None = None
    """Steps between two checkpoints; the last is always saved. By default a tenth of the steps asked for, and
    1000 where their number is not known."""
    log_step_count_steps: int | None = None
    """Steps between two lines of metrics. By default every step up to 100, then every tenth."""
    keep_checkpoint_max: int | None = None
    """How many of the newest checkpoints stay. By default two; one where weights are streamed, which saves disk."""
    device: str = "auto"
    """auto, cpu, gpu or mps."""
    accept: Collection[Accepted] = ()
    """What may differ from what the run was so far, of a spec: ``training`` (rates, constants, the schedule, fewer
    steps, micro-batches), ``data`` (other content of its files, or the spec's data in the place of an input_fn's)."""
    workers: int | None = None
    """Processes that make the batches of a spec's data, the same whatever their number; 0 is a thread of this one.
    By default it is that thread, until it is seen that training waits for it and processes would pay."""
    train_distribute: Literal["environment"] | None = None
    """environment: of a spec, join the replicas that torchrun's variables or ``TF_CONFIG`` speak of, if they do.
    Every process then makes the same calls, with the same batches, and has the results of one. None: one process."""

    def __post_init__(self) -> None:
        least = {
            "seed": (self.seed, 0),
            "save_checkpoints_steps": (self.save_checkpoints_steps, 1),
            "log_step_count_steps": (self.log_step_count_steps, 1),
            "keep_checkpoint_max": (self.keep_checkpoint_max, 1),
            "workers": (self.workers, 0),
        }
        require_accepted(self.accept)
        if self.train_distribute not in (None, "environment"):
            raise InputError(
                f"RunConfig: train_distribute is {self.train_distribute!r}; give 'environment', to join the replicas "
                "that torchrun's variables or TF_CONFIG speak of, or None for one process"
            )
        for name, (value, minimum) in least.items():
            if value is not None and (not isinstance(value, int) or value < minimum):
                raise InputError(f"RunConfig: {name} is {value!r}; give a whole number of at least {minimum}")

    def directory(self, model_dir: str | PathLike[str] | None) -> Path | None:
        """The run's directory, said here or to the runner; InputError if both say another."""
        said = [Path(given) for given in (model_dir, self.model_dir) if given is not None]
        if len(set(said)) > 1:
            raise InputError(
                f"model_dir is {said[0]}, RunConfig.model_dir {said[1]}; say it once, or the same twice"
            )
        return said[0] if said else None

    def applied_to(self, spec: ExperimentSpec) -> ExperimentSpec:
        """The spec with the values that are given here in its ``training``."""
        given = {
            "seed": self.seed,
            "save_every": self.save_checkpoints_steps,
            "log_every": self.log_step_count_steps,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        return spec.model_copy(update={"training": spec.training.model_copy(update=changes)})
