"""``training.compile``: passes of training, forward and back, as programs of XLA's."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import tensorflow as tf

from zoo_common.log import LOG
from zoo_common.replicas import MicroBatch
from zoo_spec.errors import EnvironmentFault
from zoo_spec.training import Training

FIELD = "training.compile"
Run = TypeVar("Run", bound=Callable[..., object])


class CompiledPass:
    """Passes as they are, or compiled: of a traced one XLA makes a program for each shape of a micro-batch."""

    def __init__(self, training: Training) -> None:
        self._is_on = training.compile == "on"
        self._shapes: set[object] = set()
        self.said = ""
        """What ``auto`` chose before the first step, in words."""
        if training.compile == "auto":
            self.said = f"{FIELD} auto: nothing is compiled: XLA was not seen to pay"

    def of(self, run: Run) -> Run:
        """What is traced in the place of ``run``."""
        # Anew for each trace: what a model is told beside its inputs, as that a row stands in, is no part of them.
        return tf.function(run, jit_compile=True, autograph=False) if self._is_on else run

    @contextlib.contextmanager
    def over(self, micro_batches: Sequence[MicroBatch]) -> Iterator[None]:
        """While a step learns from these.

        Raises EnvironmentFault where XLA cannot make the program that is asked for.
        """
        shapes = {tuple((name, value.shape) for name, value in each.batch.items()) for each in micro_batches}
        new = shapes - self._shapes
        if not self._is_on or not new:
            yield
            return
        began = time.perf_counter()
        try:
            yield
        except (
            tf.errors.InvalidArgumentError,
            tf.errors.UnimplementedError,
            tf.errors.InternalError,
        ) as error:
            if "XLA" not in error.message and "compil" not in error.message:
                raise
            line = error.message.strip().partition("\n")[0]
            raise EnvironmentFault(
                f"{FIELD}: XLA makes no program of this model: {line}; set it to off"
            ) from error
        self._shapes |= new
        largest = sorted(max((size for _, size in shape), key=math.prod) for shape in new)
        sizes = ", ".join(" × ".join(map(str, size)) for size in largest)
        LOG.info(
            f"{FIELD}: compiled the pass as a whole for batches of {sizes}, in {time.perf_counter() - began:.1f} s "
            "with its first run"
        )
