"""The ``config`` of a runner or an estimator: Python values by dotted path."""

import pytest

from zoo_common.training.spec_run import spec_of
from zoo_spec import load_spec
from zoo_spec.errors import InputError


def test_values_that_yaml_writes_in_another_way_arrive_as_they_are():
    config = {"training.log_every": None, "training.tf32": True, "model.hidden_sizes": (5, 4)}
    spec = spec_of("mnist_fc", config)
    assert (spec.training.log_every, spec.training.tf32, spec.model.hidden_sizes) == (None, True, (5, 4))


def test_a_spec_is_taken_as_it_is_and_not_with_a_config():
    spec = load_spec("mnist_fc")
    assert spec_of(spec) is spec
    with pytest.raises(InputError, match="config goes with"):
        spec_of(spec, {"training.steps": 1})
