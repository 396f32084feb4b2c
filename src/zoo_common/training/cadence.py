"""After which steps a run logs, saves and evaluates, and up to which step it goes."""

from __future__ import annotations

from dataclasses import dataclass

from zoo_common.training.session import Cadence
from zoo_spec.errors import InputError


@dataclass(frozen=True)
class EverySteps:
    """The cadence of a model that has no spec; None stands for RunConfig's defaults."""

    steps: int | None
    """How many are asked for; None where the input decides."""
    save_every: int | None = None
    log_every: int | None = None

    def logs(self, step: int) -> bool:
        """Whether the metrics of this step, counted from 1, are written."""
        return step % self.log_every == 0 if self.log_every else step <= 100 or step % 10 == 0

    def saves(self, step: int) -> bool:
        """Whether a checkpoint follows."""
        default = 1000 if self.steps is None else max(1, self.steps // 10)
        return step % (self.save_every or default) == 0

    def evaluates(self, step: int) -> bool:
        """Never: an evaluation is asked for."""
        return False


@dataclass(frozen=True)
class EvaluatingWhereSaved:
    """Another cadence with an evaluation at each checkpoint, as ``train_and_evaluate`` means it."""

    cadence: Cadence
    stop: int | None
    """The last step, which is always saved."""

    def logs(self, step: int) -> bool:
        """As the other."""
        return self.cadence.logs(step)

    def saves(self, step: int) -> bool:
        """As the other."""
        return self.cadence.saves(step)

    def evaluates(self, step: int) -> bool:
        """Wherever the other saves, and at the end."""
        return self.cadence.saves(step) or step == self.stop


def stop_step(start: int, steps: int | None, max_steps: int | None) -> int | None:
    """Up to which step a run goes that has ``start`` behind it; None: until its input ends.

    ``steps`` are so many more, ``max_steps`` so many in all. Raises InputError for both, or for less than 1.
    """
    if steps is not None and max_steps is not None:
        raise InputError(
            f"steps={steps} (so many more) and max_steps={max_steps} (so many in all) are both given; give one"
        )
    for name, value in (("steps", steps), ("max_steps", max_steps)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise InputError(f"{name} is {value!r}; give a whole number of at least 1")
    return start + steps if steps is not None else max_steps
