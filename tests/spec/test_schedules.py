"""Rates at the first step, around the end of the warm-up, at the end and after it."""

from __future__ import annotations

import math

import pytest
from pydantic import TypeAdapter, ValidationError

from zoo_spec.errors import SpecError
from zoo_spec.training.optimizers import AdamW, Optimizer, Sgd
from zoo_spec.training.schedules import Constant, Cosine, InverseSquareRoot, Linear, Schedule

ALL = [Constant, Linear, Cosine, InverseSquareRoot]


@pytest.mark.parametrize("schedule", ALL)
def test_the_warmup_climbs_from_nothing_at_step_0(schedule):
    rates = [schedule(warmup_steps=4).rate(step, 2.0, 100) for step in range(5)]
    assert rates == [0.0, 0.5, 1.0, 1.5, 2.0]


@pytest.mark.parametrize("schedule", ALL)
def test_without_warmup_step_0_has_the_whole_rate(schedule):
    assert schedule().rate(0, 0.3, 10) == 0.3


def test_the_inverse_root_is_the_papers():
    """``d^-0.5 min(step^-0.5, step warmup^-1.5)`` (Vaswani et al., 2017, equation 3)."""
    width, warmup = 512, 4000
    schedule = InverseSquareRoot(warmup_steps=warmup)
    for step in (1, 100, 3999, 4000, 4001, 16000, 99999):
        paper = width**-0.5 * min(step**-0.5, step * warmup**-1.5)
        assert schedule.rate(step, (width * warmup) ** -0.5, 7) == pytest.approx(paper, rel=1e-14)
    assert InverseSquareRoot().rate(4, 0.3, 10) == 0.15


def test_a_constant_rate_stays():
    assert {Constant(warmup_steps=3).rate(step, 0.3, 10) for step in range(3, 30)} == {0.3}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Linear(warmup_steps=2), [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]),
        (Linear(warmup_steps=2, end_factor=0.2), [1.0, 0.8, 0.6, 0.4, 0.2, 0.2]),
        (Cosine(warmup_steps=2), [1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0.0, 0.0]),
        (Cosine(warmup_steps=2, end_factor=0.5), [1.0, 0.75 + math.sqrt(0.5) / 4, 0.75, None, 0.5, 0.5]),
    ],
)
def test_a_decay_starts_after_the_warmup_ends_at_the_last_step_and_stays(schedule, expected):
    for step, factor in zip((2, 4, 6, 8, 10, 1000), expected, strict=True):
        if factor is not None:
            assert schedule.rate(step, 3.0, 10) == pytest.approx(3.0 * factor, rel=1e-15, abs=1e-16)


@pytest.mark.parametrize("schedule", [Linear, Cosine])
def test_decay_steps_stand_for_the_number_of_steps(schedule):
    given = schedule(warmup_steps=5, decay_steps=50, end_factor=0.1)
    for step in range(100):
        assert given.rate(step, 1.0, 1000) == schedule(warmup_steps=5, end_factor=0.1).rate(step, 1.0, 50)


@pytest.mark.parametrize("schedule", [Linear, Cosine])
def test_a_run_shorter_than_its_warmup_is_all_warmup(schedule):
    given = schedule(warmup_steps=10_000)
    assert [given.rate(step, 1.0, 2) for step in range(2)] == [0.0, 1e-4]
    assert given.rate(10_000, 1.0, 2) == 0.0


@pytest.mark.parametrize("schedule", [Linear, Cosine])
def test_a_decay_that_ends_within_the_warmup_is_refused(schedule):
    with pytest.raises(ValidationError, match=r"decay_steps 5, which is not after warmup_steps\s+5"):
        schedule(warmup_steps=5, decay_steps=5)


@pytest.mark.parametrize("schedule", ALL)
def test_kind_picks_the_schedule(schedule):
    given = schedule(warmup_steps=3)
    assert TypeAdapter(Schedule).validate_python(given.model_dump()) == given
    with pytest.raises(ValidationError):
        TypeAdapter(Schedule).validate_python({"kind": given.kind, "warmup_steps": -1})


@pytest.mark.parametrize("optimizer", [Sgd(momentum=0.9, nesterov=True), AdamW(no_decay=("bias",))])
def test_kind_picks_the_optimizer_and_a_list_serves_as_a_tuple(optimizer):
    given = {**optimizer.model_dump(), "no_decay": list(optimizer.no_decay)}
    assert TypeAdapter(Optimizer).validate_python(given) == optimizer


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "sgd", "nesterov": True}, "nesterov is true, but momentum is 0"),
        ({"kind": "sgd", "momentum": 1.0}, "momentum"),
        ({"kind": "adamw", "no_decay": ["LayerNorm"]}, "'weight', 'bias', 'norm' or 'embedding'"),
        ({"kind": "adamw", "learning_rate": 0}, "greater than 0"),
        ({"kind": "adamw", "learning_rate": "1e-4"}, "valid number"),
    ],
)
def test_wrong_fields_of_an_optimizer_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Optimizer).validate_python(given)


def test_decay_goes_by_role():
    roles = {"a": "weight", "b": "bias", "c": "norm", "d": "embedding"}
    assert AdamW().decay_mask(roles) == {"a": True, "b": False, "c": False, "d": True}
    assert AdamW(no_decay=("embedding",)).decay_mask(roles) == {"a": True, "b": True, "c": True, "d": False}
    assert AdamW(no_decay=()).decay_mask(roles) == dict.fromkeys(roles, True)
    assert Sgd().decay_mask(roles) == dict.fromkeys(roles, False), "there is no decay to be had"


def test_an_exclusion_that_matches_nothing_is_refused_unless_it_is_the_default():
    roles = {"a": "weight", "b": "bias"}
    assert AdamW().decay_mask(roles) == {"a": True, "b": False}
    with pytest.raises(
        SpecError, match=r"no_decay names norm, embedding, but .* only the roles bias, weight"
    ):
        AdamW(no_decay=("bias", "norm", "embedding")).decay_mask(roles)


def test_moments_are_what_is_kept_for_a_parameter():
    assert AdamW().moments == ("first_moment", "second_moment")
    assert Sgd(momentum=0.9).moments == ("momentum",)
    assert Sgd().moments == ()
