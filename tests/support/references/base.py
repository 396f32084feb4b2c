"""A family's row: how it is built here and in ``transformers``, what both are given, and what both give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor

from zoo_spec.experiment import ExperimentSpec

BATCH, LENGTH, PREDICTIONS = 3, 13, 4
LENGTHS = (13, 9, 6)  # of the examples, where rows are padded
ACTIVATIONS = {"gelu_erf": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "relu": "relu", "silu": "silu"}

Arrays = dict[str, np.ndarray]


def token_inputs(spec: ExperimentSpec, variant: str) -> Arrays:
    """Tokens and whatever else a model of text may take; ``variant``: ``full`` or ``padded``, ``-no-types`` or not.

    Everything is drawn; what the graph has no input for is dropped by the caller.
    """
    model = spec.model
    rng = np.random.default_rng(11)
    lengths = LENGTHS if variant.startswith("padded") else (LENGTH,) * BATCH
    real = np.arange(LENGTH) < np.array(lengths)[:, None]
    used = np.arange(PREDICTIONS) < np.array([[PREDICTIONS], [PREDICTIONS - 1], [1]])
    inputs = {
        "input_ids": rng.integers(0, model.vocab_size, (BATCH, LENGTH)),
        "token_type_ids": rng.integers(0, getattr(model, "type_vocab_size", 1) or 1, (BATCH, LENGTH)),
        "example_ids": real.astype(int),
        "masked_positions": np.array([rng.permutation(length)[:PREDICTIONS] for length in lengths]) * used,
        "masked_ids": rng.integers(0, model.vocab_size, (BATCH, PREDICTIONS)) * used,
        "masked_weights": used.astype(np.float64),
        "next_sentence_labels": np.array([1, 0, 1]),
    }
    left_out = {"example_ids"} if variant.startswith("full") else set()
    left_out |= {"token_type_ids"} if variant.endswith("no-types") else set()
    return {name: value for name, value in inputs.items() if name not in left_out}


def masked_labels(given: Mapping[str, Tensor]) -> Tensor:
    """Labels ``[batch, sequence]`` as ``transformers`` has them: -100 wherever nothing is to be predicted."""
    labels = torch.full_like(given["input_ids"], -100)
    rows = zip(labels, given["masked_positions"], given["masked_ids"], given["masked_weights"], strict=True)
    for row_labels, at, ids, weights in rows:
        row_labels[at[weights > 0]] = ids[weights > 0]
    return labels


def gather_masked(logits: Tensor, given: Mapping[str, Tensor]) -> Tensor:
    """``[batch, sequence, vocabulary]`` at the masked positions, as our heads give them."""
    at = given["masked_positions"][..., None].expand(-1, -1, logits.shape[-1])
    return logits.gather(1, at)


@dataclass(frozen=True)
class Family:
    """What stands in ``transformers`` for a family's task, and the fields that it is built with here.

    ``reference`` is the class' name, ``config`` makes its configuration of our model spec. ``call`` runs it: it is
    given the reference and our inputs as tensors (ids as int64, weights in float64), and gives what the reference
    says under the names of *our* outputs. ``inputs`` draws our inputs for a variant. ``prepare`` changes a built
    reference where it computes in float32 whatever its dtype. ``rows`` are outputs that mean nothing at padding.
    ``still`` are the ends of parameters' names whose gradients are zero but for rounding. ``witness`` is a position
    that is never padding, and before which it may stand. ``ids`` gives the inputs with ``example_ids`` of the rows,
    where they are no input themselves. ``unsaid`` are fields that its configuration does not say. ``asked`` is
    the kind of task that is asked for, where another is usual. ``is_published`` if there is such a class to be saved.
    """

    kind: str
    task: str
    reference: str
    config: Callable[[Any], transformers.PretrainedConfig]
    fields: Mapping[str, Any]
    call: Callable[[Any, Mapping[str, Tensor]], dict[str, Tensor]]
    task_fields: Mapping[str, Any] = field(default_factory=dict)
    inputs: Callable[[ExperimentSpec, str], Arrays] = token_inputs
    variants: tuple[str, ...] = ("full", "full-no-types", "padded", "padded-no-types")
    prepare: Callable[[Any], None] = lambda model: None
    rows: tuple[str, ...] = ("hidden_states",)
    still: tuple[str, ...] = ("key.bias",)
    witness: int = 0
    ids: Callable[[ExperimentSpec, Arrays], Arrays] = lambda spec, inputs: inputs
    unsaid: tuple[str, ...] = ()
    asked: str | None = None
    is_published: bool = True

    def spec(self, **changes: Any) -> ExperimentSpec:
        """Our spec, with some fields of the model changed."""
        model = {"kind": self.kind, **self.fields, **changes}
        return ExperimentSpec.model_validate(
            {"model": model, "task": {"kind": self.task, **self.task_fields}}
        )

    def build_reference(self) -> Any:
        """The reference in float64, without dropout."""
        torch.manual_seed(0)
        model = getattr(transformers, self.reference)(self.config(self.spec().model))
        model = model.to(torch.float64).eval()
        self.prepare(model)
        return model

    def draw_inputs(self, variant: str) -> Arrays:
        """Inputs and labels of one variant, for those of the graph's inputs that it uses."""
        spec = self.spec()
        drawn = self.inputs(spec, variant)
        wanted = spec.graph().inputs
        return {
            name: value if np.issubdtype(value.dtype, np.floating) else value.astype(np.int32)
            for name, value in drawn.items()
            if name in wanted
        }
