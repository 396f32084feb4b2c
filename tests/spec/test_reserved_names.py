"""Names that Python or torch have taken are refused in the spec, before either could trip over them."""

from __future__ import annotations

import pytest

from zoo_spec.errors import SpecError
from zoo_spec.experiment import ExperimentSpec


def graph_with(*, input_name: str = "x", node_name: str = "dense"):
    spec = ExperimentSpec.model_validate(
        {
            "model": {
                "kind": "graph",
                "inputs": {input_name: {"shape": ("batch", 3)}},
                "nodes": {node_name: {"block": {"kind": "dense", "size": 2}, "inputs": input_name}},
                "outputs": {"features": node_name},
            },
            "task": {"kind": "image_classification"},
        }
    )
    return spec.graph()


@pytest.mark.parametrize("name", ["train", "forward", "half", "code", "self", "class", "None"])
def test_a_node_may_not_be_called_like_what_a_module_has(name):
    with pytest.raises(SpecError, match=rf"'{name}' is .*; choose another name, such as '{name}_1'") as error:
        graph_with(node_name=name)
    assert error.value.problems[0].path == f"model.nodes.{name}"


@pytest.mark.parametrize("name", ["self", "lambda", "True"])
def test_an_input_may_not_be_called_like_a_word_of_python(name):
    with pytest.raises(SpecError, match=rf"'{name}' is .*; choose another name") as error:
        graph_with(input_name=name)
    assert error.value.problems[0].path == f"model.inputs.{name}"


def test_names_that_only_look_taken_are_fine():
    assert set(graph_with(input_name="train", node_name="match").nodes) >= {"match"}
