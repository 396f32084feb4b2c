"""A user's ``nn.Module`` at work for the common loop; ``zoo_tf.own_model_fn`` is its twin."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.utils._pytree
from torch import Tensor, nn
from torch.export import Dim

from zoo_common.backend import Array, State, StepResult, Weights
from zoo_common.checkpoint import SavedWeights
from zoo_common.training.feed import Feed
from zoo_common.training.learner import ModeKeys, Start
from zoo_common.training.loop import Step
from zoo_common.training.own_description import qualified_name
from zoo_common.training.own_learner import OwnLearner
from zoo_common.training.own_outputs import Rows, field_of
from zoo_common.training.run_config import RunConfig
from zoo_common.weights import as_source
from zoo_spec.errors import InputError
from zoo_spec.random import derive_key, fold_in
from zoo_spec.weights import check_names, check_shape
from zoo_torch.device import choose_device, held_bytes
from zoo_torch.export import PROGRAM, save_program
from zoo_torch.optimizers import global_norm
from zoo_torch.own_batches import arguments, moved, pair, size
from zoo_torch.own_checks import check_module, check_optimizer, check_optimizer_state, check_scheduler

Loss: TypeAlias = Callable[[Any, Any], Tensor]
OptimizerFactory: TypeAlias = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
SchedulerFactory: TypeAlias = Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler]


class OwnModule(OwnLearner):
    """A module, with what its runner was given to train it. Weights go by their ``state_dict`` names."""

    name = "torch"

    def __init__(
        self,
        model: nn.Module,
        *,
        loss: Loss | None,
        optimizer: OptimizerFactory | None,
        scheduler: SchedulerFactory | None,
        metrics: Mapping[str, Loss],
        config: RunConfig,
    ) -> None:
        self.model = model
        title = qualified_name(model)
        check_module(model, title)
        shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
        super().__init__(title, {"model": title, "weights": shapes}, config)
        self._loss = loss
        self._make_optimizer = optimizer
        self._make_scheduler = scheduler
        self._metrics = dict(metrics)
        self.device = choose_device(config.device)
        self._optimizer: torch.optim.Optimizer | None = None
        self._scheduler: torch.optim.lr_scheduler.LRScheduler | None = None
        self._step = 0
        self._has_stepped = False

    def device_bytes(self) -> int | None:
        """Bytes held on the accelerator; None on a CPU."""
        return held_bytes(self.device)

    def versions(self) -> dict[str, str]:
        """Version of torch."""
        return {"torch": torch.__version__}

    def load(self, checkpoint: SavedWeights) -> None:
        """Take over a checkpoint's weights."""
        self.model.to(self.device)
        self._set_weights(checkpoint.weights())

    def begin_training(self, start: Start, feed: Feed) -> Iterator[object]:
        """Make the optimizer, and take over what ``start`` has; without that the module begins as it is.

        Raises InputError where a module that is to be trained has no optimizer, no parameters, or an optimizer or a
        scheduler that will not do.
        """
        checkpoint = start.checkpoint
        self.model.to(self.device)
        if checkpoint is not None:
            self._set_weights(checkpoint.weights())
        if self._make_optimizer is None:
            raise InputError(
                f"{self.title} has no optimizer to train with; give the runner "
                "optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-3)"
            )
        names = self._names()
        if not names:
            raise InputError(f"{self.title} has no parameters to train")
        self._optimizer = self._make_optimizer(self.model.parameters())
        check_optimizer(self._optimizer, names, self.title)
        self._scheduler = self._make_scheduler(self._optimizer) if self._make_scheduler else None
        if self._scheduler is not None:
            check_scheduler(self._scheduler)
        self._step = start.step
        if checkpoint is not None:
            load_optimizer_state(self._optimizer, names, checkpoint.optimizer())
            self._replay(start.step)
        elif start.warm_start_from is not None:
            with start.beginning(as_source(self._weights())) as weights:
                self._set_weights(weights)
        # For what the input draws when it is opened, such as the order of a shuffling DataLoader.
        self._draw_from("input", self._step)
        return self.begin(ModeKeys.TRAIN, feed)

    def begin(self, mode: ModeKeys, feed: Feed) -> Iterator[object]:
        """The batches as features and labels, tensors on the device."""
        return (pair(batch, self.device) for batch in feed)

    def train_step(self, batch: Any, index: int, waited: float) -> Step:
        """One step of the user's optimizer; what the module draws depends on the seed and the step alone."""
        optimizer = self._optimizer
        assert optimizer is not None
        self._draw_from("dropout", index)
        self.model.train()
        try:
            optimizer.zero_grad(set_to_none=True)
            loss = self._loss_of(*self._run(batch))
            count = size(batch[0])
            if loss is None:
                raise InputError(
                    f"{self.title} gives no loss; return a dictionary with a scalar 'loss', or give the runner "
                    "loss=, a function of (outputs, labels)"
                )
            loss.backward()
            found = [value.grad for value in self.model.parameters() if value.grad is not None]
            if not found:
                raise InputError(f"the loss of {self.title} reaches none of its parameters")
            norm = global_norm(found)
            rate = float(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if self._scheduler is not None:
                self._scheduler.step()
        finally:
            self.model.eval()
        if not self._has_stepped:
            check_optimizer_state(optimizer, self._names())
            self._has_stepped = True
        self._step = index + 1
        return Step(index + 1, rate, count, None, StepResult(loss.detach(), {}, norm), waited)

    @torch.no_grad()
    def measure(self, batches: Iterator[Any]) -> dict[str, float]:
        """``loss``, if there is one, and the metrics, each a mean over all examples."""
        self.model.eval()
        totals: dict[str, float] = {}
        count = 0
        for batch in batches:
            outputs, labels = self._run(batch)
            examples = size(batch[0])
            count += examples
            loss = self._loss_of(outputs, labels)
            values = {} if loss is None else {"loss": loss}
            values |= {name: metric(outputs, labels) for name, metric in self._metrics.items()}
            for name, value in values.items():
                mean = torch.as_tensor(value, dtype=torch.float64).mean()
                totals[name] = totals.get(name, 0.0) + float(mean) * examples
        return {name: total / count for name, total in totals.items()}

    def answer(self, batches: Iterator[Any]) -> Iterator[dict[str, Array]]:
        """Every output that has a value an example, by name; ``Rows`` says which and how they are called."""
        rows = Rows(self.title, Tensor, _array)
        for batch in batches:
            self.model.eval()
            with torch.no_grad():
                outputs, _ = self._run(batch)
            yield from rows.of(outputs, size(batch[0]))

    def write(self, directory: Path, features: object) -> None:
        """Write a program that takes such features, any number of examples of at least one."""
        given = moved(features, self.device)
        count = size(given)
        if count < 2:
            raise InputError("the example features are of one example; give at least two, to tell the batch")
        args, kwargs = arguments(self.model, given)
        batch = Dim("batch", min=1)

        def is_open(value: Any) -> dict[int, Dim] | None:
            return {0: batch} if isinstance(value, Tensor) and value.shape[:1] == (count,) else None

        shapes = torch.utils._pytree.tree_map(is_open, kwargs or args)
        self.model.eval()
        program = torch.export.export(self.model, args, kwargs, dynamic_shapes=shapes)
        directory.mkdir(parents=True, exist_ok=True)
        save_program(program, directory / PROGRAM)

    def export_state(self) -> State:
        """Copies of all weights, and of the optimizer's state by ``<parameter>/<key>``."""
        assert self._optimizer is not None
        return State(self._weights(), optimizer_state(self._optimizer, self._names()), self._step)

    def _weights(self) -> Weights:
        """Copies of all weights, buffers included."""
        return {name: _array(value) for name, value in self.model.state_dict().items()}

    def _set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all weights; InputError, changing nothing, unless every name and every shape fits."""
        state, source = self.model.state_dict(), as_source(weights)
        check_names(state, source.entries)
        for name, tensor in state.items():
            check_shape(name, tuple(tensor.shape), source.entries[name].shape)
        with torch.no_grad():
            for name, tensor in state.items():
                tensor.copy_(torch.from_numpy(source.read(name)))

    def _names(self) -> dict[nn.Parameter, str]:
        return {parameter: name for name, parameter in self.model.named_parameters()}

    def _replay(self, steps: int) -> None:
        """Bring the scheduler to where it was: its state may hold what a checkpoint cannot, its steps repeat."""
        if self._scheduler is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # That the optimizer did not step before.
                for _ in range(steps):
                    self._scheduler.step()

    def _draw_from(self, what: str, step: int) -> None:
        high, low = fold_in(derive_key(self.seed, what), step)
        torch.manual_seed((high << 31) ^ low)

    def _run(self, batch: tuple[Any, Any]) -> tuple[Any, Any]:
        """Outputs, and the labels."""
        features, labels = batch
        args, kwargs = arguments(self.model, features)
        return self.model(*args, **kwargs), labels

    def _loss_of(self, outputs: Any, labels: Any) -> Tensor | None:
        if labels is None and (self._loss is not None or self._metrics):
            raise InputError(
                f"the input gives features without labels, which the loss and the metrics of {self.title} read; "
                "give (features, labels)"
            )
        loss: Any = self._loss(outputs, labels) if self._loss is not None else field_of(outputs, "loss")
        if loss is not None and (not isinstance(loss, Tensor) or loss.numel() != 1):
            met = f"a tensor {list(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise InputError(f"the loss of {self.title} is {met}; it must be one number: take the mean")
        return loss


def optimizer_state(optimizer: torch.optim.Optimizer, names: Mapping[nn.Parameter, str]) -> Weights:
    """Copies of what an optimizer keeps, by ``<parameter>/<key>``; what is None is left out."""
    return {
        f"{names[parameter]}/{key}": _array(torch.as_tensor(value))
        for parameter, kept in optimizer.state.items()
        for key, value in kept.items()
        if value is not None
    }


def load_optimizer_state(
    optimizer: torch.optim.Optimizer, names: Mapping[nn.Parameter, str], state: Mapping[str, Array]
) -> None:
    """Take what ``optimizer_state`` gave; InputError for state of a parameter that the optimizer does not have.

    The rates and constants stay those that the optimizer was made with: they are the code's to say.
    """
    packed = optimizer.state_dict()
    ordered = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    places = {names[parameter]: index for index, parameter in enumerate(ordered)}
    for whole, array in state.items():
        name, key = whole.rsplit("/", 1)
        if name not in places:
            raise InputError(
                f"the checkpoint has {whole}, and the optimizer is not given the parameter {name}"
            )
        packed["state"].setdefault(places[name], {})[key] = torch.from_numpy(np.array(array))
    optimizer.load_state_dict(packed)


def _array(value: Tensor) -> Array:
    value = value.detach().cpu()
    # Neither NumPy nor a checkpoint has bfloat16; float32 holds each of its values.
    return np.array((value.float() if value.dtype == torch.bfloat16 else value).numpy())
