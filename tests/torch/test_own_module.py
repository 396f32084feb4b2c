"""A user's own module in a runner: what it may give and take, and what is refused before steps are lost."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import zoo_torch
from zoo_spec.errors import InputError

PIXELS, DIGITS = torch.ones(4, 6), torch.tensor([1, 2, 3, 4])


def linear():
    return nn.Linear(6, 10)


def runner(model_dir, model, **options):
    given = {"loss": F.cross_entropy, "optimizer": lambda parameters: torch.optim.SGD(parameters, lr=1e-2)}
    return zoo_torch.Runner(model, model_dir, **{**given, **options})


class Two(nn.Module):
    """Gives what it is told to, of two features."""

    def __init__(self, given=lambda y, a: y):
        super().__init__()
        self.linear = nn.Linear(5, 3)
        self.given = given

    def forward(self, a, b):
        return self.given(self.linear(a) + self.linear(b), a)


@dataclass
class Found:
    logits: torch.Tensor
    loss: torch.Tensor
    past: object = None


class Pair(NamedTuple):
    scores: torch.Tensor
    inner: tuple


A, B = torch.randn(4, 5, generator=torch.Generator().manual_seed(1)), torch.ones(4, 5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (lambda y, a: y, {"output": lambda y, a: y}),
        (lambda y, a: (y, (a, None)), {"output.0": lambda y, a: y, "output.1.0": lambda y, a: a}),
        (lambda y, a: Found(y, y.mean(), object()), {"logits": lambda y, a: y}),
        (lambda y, a: SimpleNamespace(logits=y, loss=y.mean(), cache=object()), {"logits": lambda y, a: y}),
        (lambda y, a: Pair(y, (a,)), {"scores": lambda y, a: y, "inner.0": lambda y, a: a}),
        (
            lambda y, a: {"y": y, "past": object(), "none": None, "states": [a, {"deep": y}], "table": y.T},
            {"y": lambda y, a: y, "states.0": lambda y, a: a, "states.1.deep": lambda y, a: y},
        ),
    ],
    ids=["tensor", "tuples", "data class", "object", "named tuple", "dictionary"],
)
def test_predictions_are_every_tensor_with_a_row_an_example_however_they_are_nested(
    tmp_path, given, expected
):
    module = Two(given)
    made = runner(tmp_path / "run", module, loss=lambda outputs, labels: module.linear.weight.mean())
    made.train([((A, B), DIGITS)], steps=1)
    rows = list(made.predict([((A[:2], B[:2]), None), {"a": A[2:], "b": B[2:]}]))
    assert [set(row) for row in rows] == [set(expected)] * 4
    y = (module.linear(A) + module.linear(B)).detach()
    for name, value in expected.items():
        np.testing.assert_allclose([row[name] for row in rows], value(y, A).numpy(), rtol=1e-6)


def test_outputs_without_a_row_an_example_are_refused_by_name_never_empty_rows(tmp_path):
    for given, message in (
        (lambda y, a: {"logits": y.T}, r"gives logits \[3, 4\]; have the batch come first"),
        (lambda y, a: None, r"gives NoneType, which holds no tensor"),
    ):
        module = Two(given)
        made = runner(tmp_path / str(id(given)), module, loss=lambda *_, m=module: m.linear.weight.mean())
        made.train([((A, B), DIGITS)], steps=1)
        with pytest.raises(InputError, match=message):
            list(made.predict([((A, B), None)]))
    module = Two(lambda y, a: {"y": y, "first": y[:2]})
    made = runner(tmp_path / "run", module, loss=lambda *_: module.linear.weight.mean())
    made.train([((A, B), DIGITS)], steps=1)
    rows = made.predict([((A[:2], B[:2]), None), ((A, B), None)])
    assert set(next(rows)) == {"y", "first"}
    with pytest.raises(
        InputError, match=r"gave first for each example .* now, for 4 examples, y \[4, 3\], first"
    ):
        list(rows)


def test_batches_are_of_any_structure_and_byte_order(tmp_path):
    seen = []

    class Nested(nn.Linear):
        def forward(self, features):
            seen.append(features)
            return super().forward(features["pair"][0])

    features = {"features": {"pair": (A.numpy().astype(">f4"), [1, 2]), "text": "as it is", "none": None}}
    made = runner(tmp_path / "run", Nested(5, 3), loss=lambda outputs, labels: outputs.mean())
    made.train([features], steps=1)
    (given,) = seen
    assert torch.equal(given["pair"][0], A)
    assert torch.equal(given["pair"][1], torch.tensor([1, 2]))
    assert (given["text"], given["none"]) == ("as it is", None)
    with pytest.raises(InputError, match=r"Nested\.forward.* cannot take the features x: .*'features'"):
        made.train([{"x": A}], steps=1)


class Complex(nn.Linear):
    def __init__(self):
        super().__init__(6, 10)
        self.phase = nn.Parameter(torch.ones(6, dtype=torch.complex64))


class Extra(nn.Linear):
    def get_extra_state(self):
        return torch.ones(1)

    def set_extra_state(self, state):
        pass


class Odd(torch.optim.SGD):
    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["history"] = [1, 2]


SGD, SCHEDULES = torch.optim.SGD, torch.optim.lr_scheduler


@pytest.mark.parametrize(
    ("steps", "module", "options", "message"),
    [
        (0, Complex, {}, r"Complex has weights .* phase \(torch\.complex64\)"),
        (0, lambda: Extra(6, 10), {}, r"Extra keeps in its state_dict .* _extra_state"),
        (0, lambda: nn.LazyLinear(10), {}, "LazyLinear has weights without a shape, weight, bias"),
        (0, lambda: nn.Linear(6, 10, device="meta"), {}, "meta device, without values: weight, bias"),
        (0, lambda: nn.Flatten(), {}, "no parameters"),
        (0, linear, {"optimizer": torch.optim.LBFGS}, r"LBFGS\.step needs closure"),
        (0, linear, {"optimizer": lambda parameters: None}, "optimizer= gives NoneType"),
        (
            0,
            linear,
            {"optimizer": lambda parameters: SGD([*parameters, nn.Parameter(torch.ones(7, 3))], 0.1)},
            r"SGD updates parameters that Linear does not have, of the shapes \[7, 3\]",
        ),
        (0, linear, {"scheduler": SCHEDULES.ReduceLROnPlateau}, r"ReduceLROnPlateau\.step needs metrics"),
        (0, linear, {"scheduler": lambda optimizer: 0.1}, "scheduler= gives float"),
        (1, linear, {"optimizer": lambda parameters: Odd(parameters, 0.1)}, r"Odd keeps .*history \(list\)"),
    ],
)
def test_what_a_run_could_not_keep_is_refused_by_name_before_steps_are_lost(
    tmp_path, steps, module, options, message
):
    calls = []

    def loss(outputs, labels):
        calls.append(1)
        return F.cross_entropy(outputs, labels)

    with pytest.raises(InputError, match=message):
        runner(tmp_path / "run", module(), **{"loss": loss, **options}).train([(PIXELS, DIGITS)], steps=3)
    assert len(calls) == steps
    assert not (tmp_path / "run").exists()
