"""A run with nothing to learn is said at its first step, and ended where it begins with nothing else."""

from __future__ import annotations

import logging

import pytest

from zoo_common.backend import StepResult
from zoo_common.training.idle import IdleWatch
from zoo_common.training.loop import Step
from zoo_spec.errors import InputError


class Norm(float):
    """A gradient's norm that counts how often it is asked for."""

    asked = 0

    def __float__(self):
        type(self).asked += 1
        return super().__float__()


def steps(*found):
    """A step for each pair of the gradients' norm and the parts that have no weight, of two."""
    for number, (norm, weightless) in enumerate(found, start=1):
        result = StepResult(0.0, {"one": 0.0, "other": 0.0}, Norm(norm))
        yield Step(number, 0.1, 2, None, result, 0.0, tuple(weightless))


IDLE = (0.0, ("one", "other"))
DEAD = (0.0, ())
HALF = (1.0, ("one",))
LEARNS = (1.0, ())


def run(caplog, *found, **watch):
    """Steps gone through, and what was said of them; the error too if there was one."""
    caplog.clear()
    done = []
    with caplog.at_level(logging.WARNING, logger="zoo"):
        try:
            for step in IdleWatch("a run", **watch).through(steps(*found)):
                done.append(step.number)
        except InputError as error:
            return len(done), [*(record.getMessage() for record in caplog.records), str(error)]
    return len(done), [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("idle", "reason"),
    [
        (IDLE, "no label of one and other has a weight above 0: no span fits"),
        (DEAD, "all gradients are 0: no weight of the model has an influence on the loss"),
    ],
)
def test_a_run_that_begins_with_nothing_to_learn_says_so_at_once_and_ends(caplog, idle, reason):
    count, said = run(caplog, *[idle] * 9, patience=4, ends=True, why="no span fits")
    assert count == 3
    assert said[0] == f"a run: step 1 has nothing to learn: {reason}"
    assert said[1].startswith(
        f"a run: there was nothing to learn in the first 4 steps, the last because {reason};"
    )
    assert len(said) == 2


def test_a_run_that_may_go_on_only_says_so_once(caplog):
    count, said = run(caplog, *[IDLE] * 9, patience=4)
    assert count == 9
    assert len(said) == 1


def test_one_step_with_something_to_learn_lets_a_run_go_on(caplog):
    count, said = run(caplog, IDLE, IDLE, LEARNS, *[IDLE] * 9, patience=4, ends=True)
    assert count == 12
    assert len(said) == 1


def test_a_step_without_weights_is_said_wherever_it_comes_first(caplog):
    _, said = run(caplog, *[LEARNS] * 6, IDLE, IDLE, patience=4, ends=True)
    assert [line[:40] for line in said] == ["a run: step 7 has nothing to learn: no l"]


def test_a_part_of_the_loss_that_never_has_a_weight_is_said(caplog):
    count, said = run(caplog, *[HALF] * 9, patience=4, ends=True, why="no span fits")
    assert count == 9
    assert said == ["a run: one had nothing to learn in the first 4 steps: no span fits"]
    assert run(caplog, HALF, LEARNS, *[HALF] * 9, patience=4, ends=True) == (11, [])


def test_gradients_are_asked_for_until_one_is_not_0(caplog):
    Norm.asked = 0
    run(caplog, DEAD, *[LEARNS] * 9, patience=4)
    assert Norm.asked == 2
