"""PyTorch at work on a model that learns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from zoo_common.backend import Array, Batch, BlockCall, Dropped, Masks, State, StepResult, Weights
from zoo_common.replicas import ALONE, MicroBatch, Replicas, numbered
from zoo_common.weights import WeightSource
from zoo_spec.graph import Graph
from zoo_spec.trained import Trained, trained
from zoo_spec.training import Training
from zoo_torch.blocks.embedding import Embedding, joined
from zoo_torch.blocks.norm import standing_in
from zoo_torch.compiled_pass import Batch as Tensors
from zoo_torch.compiled_pass import CompiledPass, Divisors, hinders
from zoo_torch.dropouts import watch_dropouts
from zoo_torch.freezing import freeze
from zoo_torch.inference import CALL, TorchInference, as_array
from zoo_torch.modes import mean_evaluation
from zoo_torch.optimizers import Optimizer, Rule, spread_many
from zoo_torch.randomness import StepRandomness
from zoo_torch.recompute import recompute_layers
from zoo_torch.replicas import require_own_device, talking
from zoo_torch.spared_logits import sparing_logits
from zoo_torch.sums import sums_of
from zoo_torch.weights import get_weights


class TorchTraining(TorchInference):
    """A compiled ``nn.Module``, its optimizer and its step."""

    sparse_rows = True
    """Whether the gradient of a table of which rows alone are taken stays sparse until the update."""

    def __init__(
        self,
        graph: Graph,
        training: Training,
        weights: WeightSource,
        *,
        dtype: str,
        device: str,
        replicas: Replicas = ALONE,
    ) -> None:
        require_own_device(replicas, device)
        super().__init__(graph, weights, dtype=dtype, device=device, tf32=training.tf32)
        self.seed = training.seed
        self.replicas = replicas
        self._parts = graph.loss_parts  # Now, for what is compiled cannot find them by itself.
        self._recompute(training)
        # Not in a model that a user trains: not all that torch can do goes with joined tables.
        self._tables = [module for module in self.model.modules() if isinstance(module, Embedding)]
        mean_evaluation(self.model)  # By `gradients`.
        learned = trained(graph, training)
        freeze(self.model, learned)
        self.parameters = self._learned(learned.factors)
        roles = {name: each.role for name, each in graph.parameters().items() if each.trainable}
        self.optimizer = self._optimizer(Rule(training.optimizer, roles, learned.factors), learned)
        self.passes = CompiledPass(
            self._losses,
            training,
            self.device,
            self._apart(training),
            hinders(training, self.device, replicas.size),
        )
        self._rowless = graph.rowless_dropouts()
        self.random = self._randomness(portable=training.random == "portable")
        self.sums = sums_of(self.model, list(self.parameters.values()), replicas)

    def _learned(self, names: Mapping[str, float]) -> dict[str, Tensor]:
        """What the optimizer updates."""
        return {name: value for name, value in self.model.named_parameters() if name in names}

    def _randomness(self, *, portable: bool) -> StepRandomness:
        where = self.device if self.passes.may_be_on else None
        return StepRandomness(
            self.model, seed=self.seed, portable=portable, rowless=self._rowless, where=where
        )

    def _apart(self, training: Training) -> list[nn.Module]:
        """The layers that are compiled by themselves, where any are."""
        places = self.graph.layers() if training.recompute else ()
        return [self.model.get_submodule(place.path) for place in places]

    def _recompute(self, training: Training) -> None:
        if training.recompute:
            recompute_layers(self.model, self.graph)

    def _optimizer(self, rule: Rule, learned: Trained) -> Optimizer:
        return rule.over(self.parameters)

    @property
    def compiling(self) -> str:
        """What ``training.compile: auto`` has chosen, in words; nothing where that is open, or is another setting."""
        return self.passes.said

    def train_step(
        self,
        micro_batches: Sequence[MicroBatch | Batch],
        denominators: Mapping[str, float] | None,
        rate: float,
    ) -> StepResult:
        """One optimizer step over all micro-batches."""
        parts = numbered(micro_batches)
        self._begin([part.batch for part in parts])
        self.model.train()
        try:
            with talking(), self.passes.step(self.optimizer.step):
                totals = self._summed(parts, denominators)
                given = {name: value.grad for name, value in self.parameters.items()}
                norm = self.optimizer.apply(given, rate)
        except BaseException:
            self.model.zero_grad(set_to_none=True)  # Those of an interrupted step must not reach the next.
            raise
        finally:
            self.model.eval()
        return StepResult(totals.pop("loss"), totals, norm)

    def _summed(
        self, micro_batches: Sequence[MicroBatch], denominators: Mapping[str, float] | None
    ) -> dict[str, Tensor]:
        """The losses over all micro-batches and replicas, whose gradients are then in the parameters' ``grad``."""
        losses = self._each(micro_batches, denominators)
        names = list(losses[0]) if losses else ["loss", *(part.name for part in self.graph.loss_parts)]
        nothing = torch.zeros((), device=self.device)
        totals = {name: torch.stack([part[name] for part in losses] or [nothing]).sum() for name in names}
        return self.sums.finish(totals, sum(each.count for each in micro_batches))

    def _each(
        self, micro_batches: Sequence[MicroBatch], denominators: Mapping[str, float] | None
    ) -> list[dict[str, Tensor]]:
        """The losses of each micro-batch."""
        losses = [self._accumulate(each, denominators) for each in micro_batches[:-1]]
        with self.sums.watching():
            return losses + [self._accumulate(each, denominators) for each in micro_batches[-1:]]

    def _accumulate(
        self, micro_batch: MicroBatch, denominators: Mapping[str, float] | None
    ) -> dict[str, Tensor]:
        if not micro_batch.count:
            return self._stand_in(micro_batch, denominators or {})
        given = self._tensors(micro_batch.batch)
        with (
            self.random.at(self.optimizer.step, micro_batch.number, micro_batch.first),
            self.passes.over(given) as losses,
            joined(self._tables, is_sparse=self.sparse_rows),
        ):
            with sparing_logits(self.model, self.graph):
                parts = losses(given, denominators)
            # Here too, for layers that are recomputed draw their masks again.
            parts["loss"].backward()
        for table in self._tables:
            spread_many(table.weight)
        return {name: value.detach() for name, value in parts.items()}

    def _stand_in(self, micro_batch: MicroBatch, denominators: Mapping[str, float]) -> dict[str, Tensor]:
        """Where replicas meet within a micro-batch of which this one has no rows: a row of zeros, without weight."""
        row = {
            name: np.zeros((1, *value.shape[1:]), value.dtype) for name, value in micro_batch.batch.items()
        }
        with standing_in(self.model):
            return self._accumulate(
                replace(micro_batch, batch=row, first=0), dict.fromkeys(denominators, math.inf)
            )

    def _losses(self, batch: Tensors, denominators: Divisors) -> dict[str, Tensor]:
        outputs, parts = self.model(**batch), self._parts
        if denominators is None:
            return {"loss": outputs["loss"], **{part.name: outputs[f"{part.name}_loss"] for part in parts}}
        terms = {part.name: outputs[f"{part.name}_numerator"] / denominators[part.name] for part in parts}
        loss = torch.stack([part.factor * terms[part.name] for part in parts]).sum()
        return {"loss": loss, **terms}

    def gradients(self, batch: Batch) -> Weights:
        """Gradient of the loss by canonical name, without dropout."""
        # A model that a user compiles has all logits.
        is_plain = CALL.taken("direct") == "direct"
        with sparing_logits(self.model, self.graph) if is_plain else nullcontext():
            loss = self._run(batch)["loss"]
        found = torch.autograd.grad(
            loss, list(self.parameters.values()), allow_unused=True, materialize_grads=True
        )
        return {name: as_array(value) for name, value in zip(self.parameters, found, strict=True)}

    def apply_gradients(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One optimizer step with these gradients."""
        given = {name: self._tensor(gradients[name], value.dtype) for name, value in self.parameters.items()}
        self.optimizer.apply(given, rate)

    def dropouts(self, batch: Batch, masks: Masks, at: tuple[int, int]) -> Sequence[Dropped]:
        """What each dropout does in a training pass, those in fused kernels too."""
        random = self._randomness(portable=masks == "portable")
        with nullcontext() if masks == "own" else random.at(*at):
            uses = watch_dropouts(self.model, lambda: self.model(**self._tensors(batch)))
        return [Dropped(path, as_array(before), as_array(after)) for path, before, after in uses]

    def block_calls(self, batch: Batch, *, training: bool | None = False) -> Sequence[BlockCall]:
        """Every run of a block, inner ones before those around them; ``training`` may be left unsaid."""
        log = _Log(self.model)
        hooks = [
            module.register_forward_hook(partial(log.add, path), with_kwargs=True)
            for path, module in self.model.named_modules()
            if path
        ]
        self.model.train(training is True)
        try:
            with torch.no_grad(), self.random.at(self.optimizer.step, 0):
                self.model(**self._tensors(batch))
        finally:
            self.model.eval()
            for hook in hooks:
                hook.remove()
        return log.calls

    def export_state(self) -> State:
        """A copy of everything that training changes."""
        return State(get_weights(self.model), self.optimizer.state(), self.optimizer.step)

    def import_optimizer(self, optimizer: Mapping[str, Array], step: int) -> None:
        """Take over the optimizer of such a copy, from either framework."""
        self.optimizer.load_state(optimizer)
        self.optimizer.step = step


class _Log:
    """Notes what modules are given and give, each tensor copied once."""

    def __init__(self, model: nn.Module) -> None:
        self.calls: list[BlockCall] = []
        self._copies: dict[tuple[int, bool], tuple[Tensor, Array]] = {}
        self._turned = {
            f"{path}.{child}"
            for path, module in model.named_modules()
            for child in getattr(module, "turned", ())
        }

    def add(
        self,
        path: str,
        module: nn.Module,
        given: tuple[object, ...],
        named: dict[str, object],
        gave: object,
    ) -> None:
        """A module's run, as torch's hooks are called; inside a user's own, what is no tensor is left out."""
        outputs = gave if isinstance(gave, dict) else {"": gave}
        self.calls.append(
            BlockCall(
                path,
                tuple(self._copy(path, value) for value in given if isinstance(value, Tensor)),
                self._copies_of(path, named),
                self._copies_of(path, outputs),
            )
        )

    def _copies_of(self, path: str, values: Mapping[str, object]) -> dict[str, Array]:
        return {name: self._copy(path, value) for name, value in values.items() if isinstance(value, Tensor)}

    def _copy(self, path: str, value: Tensor) -> Array:
        key = (id(value), path in self._turned)
        if key not in self._copies:
            self._copies[key] = (value, as_array(value.mT if path in self._turned else value))
        return self._copies[key][1]
