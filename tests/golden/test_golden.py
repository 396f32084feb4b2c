"""What each shipped spec means, in files, so that a review sees a change of meaning.

A file holds the resolved spec, its parameter table and the first losses at a small size. ``make golden``
(``ZOO_GOLDEN=write``) rewrites them; do so in the commit that changes the meaning, and give the reason there.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from zoo_common.backend import find_backend
from zoo_common.data import open_dataset
from zoo_common.training.loop import run_steps
from zoo_spec import list_specs, load_spec
from zoo_spec.shrink import shrunk

FOLDER = Path(__file__).parent
STEPS = 3
DIGITS = 1e-6
"""Of the loss, in float64 and without dropout: mathematical libraries differ in the last bits."""


def golden(name, part, found):
    """The golden file's text; written first where that was asked for."""
    path = FOLDER / name / part
    if os.environ.get("ZOO_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8", newline="\n")
    return path.read_text(encoding="utf-8")


def first_losses(name, framework):
    spec = shrunk(load_spec(name))
    changes = {
        "steps": STEPS,
        "batch_size": 4,
        "micro_batch_size": None,
        "precision": "float64",
        "random": "portable",
    }
    spec = spec.model_copy(update={"training": spec.training.model_copy(update=changes)})
    backend, graph = find_backend(framework)(), spec.graph()
    backend.initialize(graph, spec.training, seed=0, dtype="float64", device="cpu")
    dataset = open_dataset(spec, None, "train")
    return [float(step.result.loss) for step in run_steps(backend, graph, spec.training, dataset, 0, STEPS)]


@pytest.mark.parametrize("name", list_specs())
def test_the_resolved_spec_is_the_golden_one(name):
    found = yaml.safe_dump(load_spec(name).resolved(), sort_keys=False, allow_unicode=True)
    assert found == golden(name, "spec.yaml", found)


@pytest.mark.parametrize("name", list_specs())
def test_the_parameter_table_is_the_golden_one(name):
    rows = [
        f"{path}  {'x'.join(map(str, parameter.shape))}  {parameter.role}  {parameter.initializer!r}\n"
        for path, parameter in load_spec(name).graph().parameters().items()
    ]
    assert "".join(rows) == golden(name, "parameters.txt", "".join(rows))


@pytest.mark.parametrize("framework", ["torch", "tf"])
@pytest.mark.parametrize("name", list_specs())
def test_the_first_losses_are_the_golden_ones(name, framework):
    found = first_losses(name, framework)
    expected = golden(name, "losses.txt", "".join(f"{loss:.9f}\n" for loss in found))
    assert found == pytest.approx(np.loadtxt(expected.splitlines()), rel=DIGITS)
