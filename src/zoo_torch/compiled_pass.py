"""``training.compile``: passes of training as programs of ``torch.compile``'s."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from zoo_common.log import LOG
from zoo_spec.errors import EnvironmentFault
from zoo_spec.training import Training
from zoo_torch.compile_trial import Trial

Batch = Mapping[str, Tensor]
Divisors = Mapping[str, float] | Mapping[str, Tensor] | None
Run = Callable[[Batch, Divisors], dict[str, Tensor]]
"""From a micro-batch, and what its losses are divided by, to the losses."""

FIELD = "training.compile"
OPTIONS = {"fallback_random": True}
"""Dropout draws from torch's own generator and in its order: the masks are those of a pass that is not compiled."""
MANY = 1 << 16
"""How many programs a function may have; beyond its own limit of 8 torch would refuse to make another."""


class CompiledPass:
    """Passes forward, which bring their ways back with them: a program for each shape of a micro-batch.

    It is made of the whole pass; where ``layers`` are given, as where they are recomputed or divided, of each of them
    by itself, and the rest is computed as it is.
    """

    def __init__(
        self, run: Run, training: Training, device: torch.device, layers: Sequence[nn.Module], hinders: str
    ) -> None:
        """``hinders`` is what keeps ``auto`` from it; nothing, where nothing does.

        Raises EnvironmentFault where it is to be compiled, and this machine lacks what that takes.
        """
        self._run = run
        self._device = device
        self._dtype = torch.float64 if training.precision == "float64" else torch.float32
        self._shapes: set[object] = set()
        self._programs: set[object] = set()
        self._trial: Trial | None = None
        self._is_on = training.compile == "on"
        self._is_auto = training.compile == "auto"
        lack = "" if training.compile == "off" else lacking(device)
        if self._is_on and lack:
            raise EnvironmentFault(f"{FIELD}: {lack}, or set it to off")
        self.said = ""
        """What ``auto`` chose before the first step, in words."""
        if self._is_auto:
            if hinders or lack:
                self.said = f"{FIELD} auto: nothing is compiled: {hinders or lack}"
            else:
                self._trial = Trial(training.steps)
        self._layers = list(layers)
        self._forwards: list[Callable[..., object]] = []
        self._whole: Run | None = None

    @property
    def may_be_on(self) -> bool:
        """Whether there is, or may still be, a program."""
        return self._is_on or self._trial is not None

    @contextlib.contextmanager
    def step(self, index: int) -> Iterator[None]:
        """While step ``index`` is made, counted from 0; it is timed as long as it is open whether a program pays."""
        if self._trial is None:
            yield
            return
        _wait_for(self._device)
        began = time.perf_counter()
        yield
        _wait_for(self._device)
        if self._trial is None:  # It could not be compiled.
            return
        told = self._trial.took(time.perf_counter() - began, index, len(self._shapes))
        self._is_on = self._trial.is_on
        if told:
            LOG.info(f"{FIELD} auto: {told}")
        if self._trial.is_over:
            self._trial = None

    @contextlib.contextmanager
    def over(self, batch: Batch) -> Iterator[Run]:
        """What computes the losses of this micro-batch, while it does and while gradients come back.

        Raises EnvironmentFault where torch cannot make the program that is asked for.
        """
        shape = tuple((name, tuple(value.shape)) for name, value in batch.items())
        self._shapes.add(shape)
        is_new = shape not in self._programs
        # What ``auto`` found to pay is the one program that it made.
        if not self._is_on or (self._is_auto and is_new and self._programs):
            yield self._run
            return
        began = time.perf_counter()
        try:
            with _room() if is_new else contextlib.nullcontext(), self._swapped():
                yield self._run if self._layers else self._by_program
        except _refusals() as error:
            raise EnvironmentFault(
                f"{FIELD}: torch.compile makes no program of this model: {_in_a_line(error)}; {_remedy(error)}"
            ) from error
        if is_new and self._is_on:
            self._programs.add(shape)
            what = "each layer by itself" if self._layers else "the pass as a whole"
            sizes = " × ".join(map(str, max((size for _, size in shape), key=math.prod)))
            LOG.info(
                f"{FIELD}: compiled {what} for batches of {sizes}, in {time.perf_counter() - began:.1f} s "
                "with its first run"
            )

    def _by_program(self, batch: Batch, divisors: Divisors) -> dict[str, Tensor]:
        if self._whole is None:
            self._whole = _compiled(self._run)
        given = divisors
        if divisors is not None:
            # Tensors, for a program would be made anew for every other number.
            values = torch.tensor(list(divisors.values()), dtype=self._dtype, device=self._device)
            given = dict(zip(divisors, values.unbind(), strict=True))
        try:
            return self._whole(batch, given)
        except (
            Exception
        ) as error:  # Whatever a compiler raises, and want of memory; a fault of ours comes again.
            if not self._is_auto:
                raise
            self._is_on, self._trial = False, None
            LOG.warning(f"{FIELD} auto: nothing is compiled, for torch.compile cannot: {_in_a_line(error)}")
            return self._run(batch, divisors)

    @contextlib.contextmanager
    def _swapped(self) -> Iterator[None]:
        """The layers' programs in their places, of which evaluation knows nothing."""
        if not self._forwards:
            self._forwards = [_compiled(layer.forward) for layer in self._layers]
        for layer, forward in zip(self._layers, self._forwards, strict=True):
            layer.forward = forward
        try:
            yield
        finally:
            for layer in self._layers:
                del layer.forward


def hinders(training: Training, device: torch.device, replicas: int) -> str:
    """What keeps ``auto`` from compiling, in words; nothing where only the time does that is left."""
    if device.type != "cuda":
        return f"on this device ({device.type}) it was not seen to pay"
    if training.recompute or training.streams or training.sharding != "none":
        return "layers that are recomputed, divided or streamed would be compiled each by itself"
    return "replicas would wait for one another's compiler" if replicas > 1 else ""


def lacking(device: torch.device) -> str:
    """What this machine lacks to compile for a device, and what to install; nothing where it has all."""
    if not any(map(shutil.which, _compilers())):
        return f"PyTorch compiles with a C++ compiler, and this machine has none; install {_TO_INSTALL}"
    if device.type == "cuda" and find_spec("triton") is None:
        return "PyTorch compiles for a GPU with Triton, and this machine has none; install triton"
    return ""


_TO_INSTALL = "g++ (Debian's package g++, macOS' command line tools)"


def _compilers() -> list[str]:
    """Those that torch takes."""
    if "CXX" in os.environ:
        return [os.environ["CXX"]]
    return ["cl"] if sys.platform == "win32" else ["g++", "clang++"]


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _compiled(function: Callable[..., object]) -> Callable[..., object]:
    return torch.compile(function, fullgraph=True, dynamic=False, options=OPTIONS)


def _room() -> contextlib.AbstractContextManager[None]:
    """While another program is made of a function that has some."""
    from torch._dynamo import config

    return config.patch(recompile_limit=MANY, accumulated_recompile_limit=MANY)


def _refusals() -> type[Exception]:
    """What torch.compile raises where it cannot."""
    from torch._dynamo.exc import TorchDynamoException

    return TorchDynamoException


def _remedy(error: Exception) -> str:
    if isinstance(getattr(error, "inner_exception", None), ImportError):
        # torch has a compiler write where it then reads, so that a process that is killed leaves half of a file.
        from torch._inductor.runtime.cache_dir_utils import cache_dir

        return f"if a process was killed as it compiled, delete {cache_dir()}; else set it to off"
    return "set it to off"


def _in_a_line(error: Exception) -> str:
    """The first line that says something, after who it is that says it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[: 2 if lines[0].endswith(":") else 1])
