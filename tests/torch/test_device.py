"""Which device a run computes on."""

import pytest
import torch

from zoo_spec.errors import EnvironmentFault, InputError
from zoo_torch.device import choose_device


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine with mps and without another accelerator."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


def test_the_machine_s_own_choice_can_compute_in_the_dtype_that_is_asked_for():
    assert choose_device("auto", "float32").type == "mps"
    assert choose_device("auto", "float64").type == "cpu"


def test_a_device_that_cannot_is_refused():
    with pytest.raises(InputError, match="mps has no float64"):
        choose_device("mps", "float64")
    with pytest.raises(EnvironmentFault, match="finds no gpu"):
        choose_device("gpu")
    with pytest.raises(InputError, match="no device 'tpu'"):
        choose_device("tpu")
