"""Learning-rate schedules, computed once in float64 Python and handed to either framework.

Steps count from 0, the first update. During warm-up step ``s`` runs at ``s / warmup_steps`` of the base rate,
so that the first update of all is by nothing, as in google-research/bert, transformers and Keras. After a
decay the rate stays at its end value (transformers' cosine climbs again).
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from zoo_spec.base import NonNegativeInt, PositiveInt
from zoo_spec.registry import Registered


class Schedule(Registered):
    """Base of all schedules: a linear warm-up from 0, then what ``factor`` says."""

    role: ClassVar[str] = "schedule"
    shipped_in: ClassVar[str] = "zoo_spec.training.schedules"
    warmup_steps: NonNegativeInt = 0
    """Steps over which the rate climbs linearly from 0 to the optimizer's ``learning_rate``; 0 for none."""

    def rate(self, step: int, base: float, total_steps: int) -> float:
        """The rate of update ``step`` of ``total_steps``, where the optimizer's own rate is ``base``."""
        if step < self.warmup_steps:
            return base * (step / self.warmup_steps)
        return base * self.factor(step, total_steps)

    def factor(self, step: int, total_steps: int) -> float:
        """The part of the base rate that is used at ``step``, which is past the warm-up."""
        raise TypeError(f"schedule {self.kind!r} does not say its factor")


class _Decay(Schedule):
    """A decay from 1 at the end of the warm-up to ``end_factor`` at ``decay_steps``."""

    end_factor: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The part of the base rate that is left at the end, and after it."""
    decay_steps: PositiveInt | None = None
    """The step at which the end is reached, counted from 0, warm-up included; None: ``training.steps``."""

    @model_validator(mode="after")
    def _decays_after_warmup(self) -> _Decay:
        if self.decay_steps is not None and self.decay_steps <= self.warmup_steps:
            raise ValueError(
                f"the decay ends at decay_steps {self.decay_steps}, which is not after warmup_steps "
                f"{self.warmup_steps}; decay_steps counts from step 0, the warm-up included"
            )
        return self

    def factor(self, step: int, total_steps: int) -> float:
        """The decay between the end of the warm-up and the end, then ``end_factor``."""
        end = total_steps if self.decay_steps is None else self.decay_steps
        if step >= end:
            return self.end_factor
        progress = (step - self.warmup_steps) / (end - self.warmup_steps)
        return self.end_factor + (1.0 - self.end_factor) * self.remaining(progress)

    def remaining(self, progress: float) -> float:
        """What remains of the decay, 1 to 0, at ``progress``, 0 to 1."""
        raise TypeError(f"schedule {self.kind!r} does not say how it decays")


class Constant(Schedule):
    """The base rate, after an optional warm-up."""

    kind: Literal["constant"] = "constant"

    def factor(self, step: int, total_steps: int) -> float:
        """Always 1."""
        return 1.0


class Linear(_Decay):
    """A straight line from the end of the warm-up (where google-research/bert lets it start at step 0)."""

    kind: Literal["linear"] = "linear"

    def remaining(self, progress: float) -> float:
        """1 - progress."""
        return 1.0 - progress


class Cosine(_Decay):
    """Half a cosine wave (Loshchilov and Hutter, 2017, without restarts).

    The one place where a platform's libm may show, in the last bit of the rate.
    """

    kind: Literal["cosine"] = "cosine"

    def remaining(self, progress: float) -> float:
        """(1 + cos(pi progress)) / 2."""
        return 0.5 * (1.0 + math.cos(math.pi * progress))


class InverseSquareRoot(Schedule):
    """The root of the warm-up's steps over the step's number (Vaswani et al., 2017, 5.3); without one, of 1 over it.

    The paper's own base rate is ``(hidden_size * warmup_steps) ** -0.5``.
    """

    kind: Literal["inverse_square_root"] = "inverse_square_root"

    def factor(self, step: int, total_steps: int) -> float:
        """1 at the end of the warm-up, and a half at four times its steps."""
        return math.sqrt(max(self.warmup_steps, 1) / max(step, 1))
