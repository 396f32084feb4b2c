"""``zoo_common.parity.check``: parity as a call."""

from __future__ import annotations

import pytest

import zoo_tf.blocks.dense
from zoo_common.parity import check
from zoo_common.parity.results import ParityError
from zoo_spec import load_spec
from zoo_spec.errors import InputError

TINY = ["model.hidden_sizes=[5]", "model.image_size=[4, 4]", "data={kind: generated}"]


@pytest.fixture
def scaled_in_tensorflow(monkeypatch):
    """TensorFlow's dense layers are off by a thousandth."""
    keep = zoo_tf.blocks.dense.Dense.call
    monkeypatch.setattr(zoo_tf.blocks.dense.Dense, "call", lambda layer, x: keep(layer, x) * 1.001)


def test_a_spec_that_passes_gives_its_report(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("extends: mnist_fc\nmodel: {hidden_sizes: [5], image_size: [4, 4]}\n", encoding="utf-8")
    report = check(file, level="loss", small=True)
    assert report.passed
    assert report.spec == "mine"
    assert list(dict.fromkeys(row.level for row in report.levels)) == ["parameters", "forward", "loss"]
    loaded = check(load_spec("mnist_fc", TINY), level="forward", dtypes=["float64"])
    assert {row.dtype for row in loaded.levels if row.level == "forward"} == {"float64"}


def test_a_spec_whose_halves_differ_is_an_assertion_that_fails(scaled_in_tensorflow):
    with pytest.raises(AssertionError) as caught:
        check("mnist_fc", overrides=TINY, level="gradient")
    error = caught.value
    assert isinstance(error, ParityError)
    assert error.exit_status == 1
    assert [row.level for row in error.report.levels if not row.passed][:1] == ["forward"]
    text = str(error).splitlines()
    assert text[0] == "parity of mnist_fc failed"
    assert text[1].startswith("forward (float64): ")
    assert "limit 1.000e-10" in text[1]
    # The guilty block, and the framework that strayed.
    assert "tf" in str(error)
    assert error.report.levels[-1].side == "tf"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"spec": "no_such_spec"}, "no shipped spec is called 'no_such_spec'"),
        ({"spec": "mnist_fc", "level": "forwards"}, "no parity level 'forwards'"),
        ({"spec": "mnist_fc", "dtypes": ["float8"]}, "no dtype 'float8'"),
        ({"spec": "mnist_fc", "steps": 1}, "1 is no curve; give 2 steps or more"),
        ({"spec": load_spec("mnist_fc"), "overrides": ["name=x"]}, "overrides go with a spec's name or file"),
    ],
)
def test_what_is_wrong_is_the_users_input(arguments, says):
    with pytest.raises(InputError, match=says.replace("(", r"\(")):
        check(**arguments)
