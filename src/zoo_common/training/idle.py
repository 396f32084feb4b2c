"""Steps in which nothing can be learned: said at the first, and the end of a run that begins with nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, field

from zoo_common.log import LOG
from zoo_common.training.loop import Step
from zoo_spec.errors import InputError

PATIENCE = 100
"""Steps after which a run that learned nothing ends, unless an epoch is shorter."""


@dataclass
class IdleWatch:
    """Looks at the steps of a run, of which the first ``patience`` decide whether it goes on.

    A step is idle if none of its labels has a weight, or all gradients are 0. The gradients are asked for until
    one is not, since that may wait for a device. ``why`` says what makes a batch have no weight; without ``ends``
    a run is left to go on.
    """

    title: str
    patience: int = PATIENCE
    ends: bool = False
    why: str = ""
    _steps: int = 0
    _learns: bool = False
    _is_told: bool = False
    _never: set[str] = field(default_factory=set)
    """The parts of the loss that had no weight so far."""

    def through(self, steps: Generator[Step, None, None]) -> Generator[Step, None, None]:
        """The same steps; raises InputError instead of the last that it has patience for."""
        with contextlib.closing(steps):
            for step in steps:
                self._see(step)
                yield step

    def _see(self, step: Step) -> None:
        self._steps += 1
        self._never = set(step.weightless) if self._steps == 1 else self._never & set(step.weightless)
        reason = self._reason(step)
        self._learns |= not reason
        if reason and not self._is_told:
            self._is_told = True
            LOG.warning(f"{self.title}: step {step.number} has nothing to learn: {reason}")
        if self._steps != self.patience:
            return
        if not self._learns and self.ends:
            raise InputError(
                f"{self.title}: there was nothing to learn in the first {self._steps} steps, the last because "
                f"{reason}; the run ends here, and what was saved before is kept"
            )
        if self._learns and self._never:
            LOG.warning(
                f"{self.title}: {' and '.join(sorted(self._never))} had nothing to learn in the first {self._steps} "
                f"steps: {self._weightless()}"
            )

    def _reason(self, step: Step) -> str:
        """Why the step is idle; nothing where it is not."""
        if step.weightless and len(step.weightless) == len(step.result.parts):
            return f"no label of {' and '.join(step.weightless)} has a weight above 0: {self._weightless()}"
        if not self._learns and float(step.result.gradient_norm) == 0:
            return "all gradients are 0: no weight of the model has an influence on the loss"
        return ""

    def _weightless(self) -> str:
        return self.why or "give labels that count"
