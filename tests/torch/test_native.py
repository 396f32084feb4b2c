"""What users of torch do with any module works on a compiled model, and gives the plain model's values.

Every family that ships is tried at a small size, on inputs that the tool has not seen, with keywords in
another order and with optional inputs left out.
"""

from __future__ import annotations

import copy
import inspect
import io
import keyword
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import Dim

import zoo_torch
from distinct import one_layer
from drawn import all_cases, shared_out, turns
from small_models import (
    assert_same,
    assert_worth_comparing,
    cases,
    distinct_subsets,
    draw_inputs,
    expected_outputs,
    in_fresh_process,
    probe_weights,
    shuffled,
    small_spec,
    subsets,
    thin_spec,
)
from zoo_common.parity.tolerances import GRADIENT_SCALE, WITHOUT_INFLUENCE
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_spec.models.reserved import why_no_input, why_no_node

TOLERANCE = 4e-6
"""Of float32, between two ways to compute one model; seen: 1.1e-6, from inductor's code."""
WIDE_TOLERANCE = 1e-11
"""Of float64, in which gradients are compared: what cancels in them leaves float32 no digits to judge by."""
FRESH = {"seed": 5, "batch": 2, "sequence": 9, "target_sequence": 8, "predictions": 2, "examples": 3}
"""Other values and other sizes than those that a tool has seen."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Models this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=cases())
def case(request):
    return request.param


@pytest.fixture
def graph(case):
    return small_spec(case).graph()


@pytest.fixture
def model(case, graph):
    return make_model(graph)


@pytest.fixture
def thin(case):
    """The graph of few layers, for compilers."""
    return thin_spec(case).graph()


CAPTURED = shared_out("captured", cases(), ("compile", "strict export", "export"))
"""All of them capture the whole graph, so a family takes turns at them."""


def make_model(graph: Graph, dtype: str = "float32") -> nn.Module:
    model = zoo_torch.compile(graph, seed=0, dtype=dtype)
    zoo_torch.set_weights(model, probe_weights(graph))
    return model


def tensors(graph: Graph, names, dtype=torch.float32, **how) -> dict[str, torch.Tensor]:
    drawn = {name: torch.from_numpy(value) for name, value in draw_inputs(graph, names, **how).items()}
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in drawn.items()}


def run(model, inputs) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in model(**inputs).items()}


def check(tool, model, graph, names, **how) -> None:
    """``tool`` gives the model's values on fresh inputs, the keywords in another order."""
    inputs = tensors(graph, names, **{**FRESH, **how})
    assert_same(run(tool, shuffled(inputs)), run(model, inputs), TOLERANCE)


def loss_gradients(run_loss, model, inputs) -> dict[str, np.ndarray]:
    return gradients(model, run_loss(**inputs)["loss"])


def gradients(model, loss) -> dict[str, np.ndarray]:
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad.numpy().copy() for name, parameter in model.named_parameters()}


def assert_same_gradients(got, expected) -> None:
    """Each within the tolerance of its size or a part of the model's; where it is but rounding, of the model's."""
    top = max(np.abs(value).max() for value in expected.values())
    assert set(got) == set(expected)
    for name, value in expected.items():
        without = name.endswith(WITHOUT_INFLUENCE)
        scale = top if without else max(np.abs(value).max(), GRADIENT_SCALE * top)
        assert np.abs(got[name] - value).max() <= WIDE_TOLERANCE * scale, name


def test_outputs_are_worth_comparing(model, graph):
    names = subsets(graph)["everything"]
    outputs = run(model, tensors(graph, names))
    assert set(outputs) == expected_outputs(graph, names)
    assert_worth_comparing(outputs, run(model, tensors(graph, names, seed=1)))


def test_the_signature_has_the_required_inputs_first(model, graph):
    parameters = inspect.signature(model.forward).parameters
    assert set(parameters) == set(graph.inputs)
    required = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    assert required == [name for name, spec in graph.inputs.items() if not spec.optional]
    assert list(parameters)[: len(required)] == required
    assert all(parameters[name].default is None for name in parameters if name not in required)


def test_outputs_of_absent_inputs_are_absent_and_the_rest_stay(model, graph):
    for names in subsets(graph).values():
        inputs = tensors(graph, names)
        outputs = run(model, inputs)
        assert set(outputs) == expected_outputs(graph, names)
        assert_same(run(model, shuffled(inputs)), outputs, 0)
        assert_same(run(model, {**dict.fromkeys(graph.inputs), **inputs}), outputs, 0)
        predictions = {name: value for name, value in inputs.items() if name not in graph.labels}
        without_labels = run(model, predictions)
        assert "loss" not in without_labels
        assert_same(without_labels, {name: outputs[name] for name in without_labels}, 0)


def test_an_unknown_or_missing_input_is_a_type_error_that_names_it(model, graph):
    inputs = tensors(graph, subsets(graph)["required"])
    with pytest.raises(TypeError, match="'colour'"):
        model(**inputs, colour=torch.zeros(1))
    with pytest.raises(TypeError, match=f"'{next(iter(inputs))}'"):
        model()


def test_it_is_a_plain_module_with_a_readable_forward(model, graph):
    assert isinstance(model, nn.Module)
    assert not isinstance(model, torch.fx.GraphModule)
    assert not model.training
    assert model.code == inspect.getsource(model.forward)
    lines = model.code.splitlines()
    assert lines[0].startswith("def forward(self, ")
    assert not any(";" in line or "zoo_torch" in line for line in lines)
    for node in graph.nodes.values():
        assert f"self.{node.owner}" in model.code
    owners = list(dict.fromkeys(node.owner for node in graph.nodes.values()))
    assert [name for name, _ in model.named_children()] == owners
    assert all(f"({name})" in repr(model) for name in owners)


def test_the_state_is_the_parameter_table_and_loads_strictly(model, graph):
    state, table = model.state_dict(), graph.parameters()
    assert set(state) == set(table)
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        name: parameter.shape for name, parameter in table.items()
    }
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    other = zoo_torch.compile(graph, seed=3)
    other.load_state_dict(torch.load(file, weights_only=True), strict=True)
    check(other, model, graph, subsets(graph)["everything"])
    lacking = dict(list(state.items())[1:])
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict(lacking)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        other.load_state_dict({**state, "more": torch.zeros(1)})


def test_set_weights_is_strict_and_changes_nothing_when_it_refuses(model, graph):
    before = zoo_torch.get_weights(model)
    first = next(iter(before))
    zeros = {name: np.zeros_like(value) for name, value in before.items()}
    lacking = {name: value for name, value in zeros.items() if name != first}
    for wrong, message in [
        (lacking, f"missing: {first}"),
        ({**zeros, "more": np.zeros(1)}, "unknown: more"),
        ({**zeros, list(zeros)[-1]: np.zeros((1, 2, 3))}, r"has shape \[1, 2, 3\]; this model has"),
    ]:
        with pytest.raises(InputError, match=message):
            zoo_torch.set_weights(model, wrong)
    assert_same(zoo_torch.get_weights(model), before, 0)


@pytest.mark.parametrize("case", CAPTURED["compile"])
def test_torch_compile_takes_the_whole_graph_and_gives_the_same(thin):
    model, everything = make_model(thin), subsets(thin)["everything"]
    torch._dynamo.reset()
    captured = torch.compile(model, fullgraph=True, backend="eager")
    with torch.no_grad():
        run(captured, tensors(thin, everything))
        for names in (everything, subsets(thin)["required"]):
            check(captured, model, thin, names)
    # What is made of a captured graph, forward and backward, at sizes that are open by now.
    wide = make_model(thin, "float64")
    inputs = tensors(thin, everything, torch.float64, **FRESH)
    compiled = torch.compile(wide, fullgraph=True, backend="aot_eager")
    outputs = compiled(**shuffled(inputs))
    assert_same(
        {name: value.detach().numpy() for name, value in outputs.items()}, run(wide, inputs), WIDE_TOLERANCE
    )
    found = gradients(wide, outputs["loss"])
    assert_same_gradients(found, loss_gradients(wide, wide, inputs))


def test_torch_compile_generates_code_that_gives_the_same():
    graph = small_spec(cases()[0], *(() if all_cases() else one_layer(cases()[0]))).graph()
    model = make_model(graph)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True)
    for subset in ("everything", "required") if all_cases() else ("everything",):
        names = subsets(graph)[subset]
        run(compiled, tensors(graph, names))
        check(compiled, model, graph, names, **{**FRESH, "batch": 3, "sequence": 7, "predictions": 4})


def dynamic_shapes(graph: Graph, names) -> dict[str, dict[int, Dim]]:
    dims = {name: Dim(name, min=bound.minimum, max=bound.maximum) for name, bound in graph.bounds.items()}
    return {
        name: {
            axis: dims.get(size, Dim.AUTO)
            for axis, size in enumerate(graph.inputs[name].shape)
            if isinstance(size, str)
        }
        for name in names
    }


@pytest.mark.parametrize("case", CAPTURED["strict export"])
def test_strict_torch_export_gives_the_same(thin):
    graph, model = thin, make_model(thin)
    names = subsets(graph)["every other optional"]
    inputs = tensors(graph, names)
    exported = torch.export.export(
        model, (), inputs, dynamic_shapes=dynamic_shapes(graph, inputs), strict=True
    )
    check(exported.module(), model, graph, names)


@pytest.mark.parametrize("case", CAPTURED["export"])
def test_torch_export_serves_all_sizes_within_the_spec_bounds(case, thin):
    graph, model = thin, make_model(thin)
    largest = {name: bound.maximum for name, bound in graph.bounds.items() if bound.maximum}
    for names in turns("torch export", cases(), case, distinct_subsets(graph), count=2):
        inputs = tensors(graph, names)
        exported = torch.export.export(
            model, (), inputs, dynamic_shapes=dynamic_shapes(graph, inputs), strict=False
        )
        module = exported.module()
        check(module, model, graph, names)
        check(module, model, graph, names, **largest)
        check(module, model, graph, names, **{name: bound.minimum for name, bound in graph.bounds.items()})
    # A file holds the program, whatever the inputs.
    file = io.BytesIO()
    torch.export.save(exported, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    check(loaded, model, graph, names)
    check(loaded, model, graph, names, **largest)


@pytest.fixture(scope="module")
def unpickled(tmp_path_factory):
    """What pickled models give in another process, which imports nothing but pickle, NumPy and torch."""
    folder = tmp_path_factory.mktemp("pickled")
    for case in cases():
        graph = small_spec(case).graph()
        (folder / f"{case}.pickle").write_bytes(pickle.dumps(make_model(graph)))
        for subset, names in subsets(graph).items():
            np.savez(folder / f"{case}.{subset}.inputs.npz", **shuffled(draw_inputs(graph, names, **FRESH)))
    in_fresh_process(
        """
        import pickle, sys
        from pathlib import Path
        import numpy as np, torch
        for path in Path(sys.argv[1]).glob("*.pickle"):
            model = pickle.loads(path.read_bytes())
            assert not model.training
            for inputs in path.parent.glob(f"{path.stem}.*.inputs.npz"):
                outputs = model(**{name: torch.from_numpy(value) for name, value in np.load(inputs).items()})
                found = {name: value.detach().numpy() for name, value in outputs.items()}
                np.savez(str(inputs).replace("inputs", "outputs"), **found)
        """,
        folder,
        loaded="torch",
    )
    return folder


def test_a_pickled_model_gives_the_same_in_a_fresh_process(unpickled, case, model, graph):
    for subset, names in subsets(graph).items():
        with np.load(unpickled / f"{case}.{subset}.outputs.npz") as found:
            assert_same(dict(found), run(model, tensors(graph, names, **FRESH)), TOLERANCE)


def test_copies_compute_the_same_and_stay_apart(model, graph):
    names = subsets(graph)["everything"]
    twin = copy.deepcopy(model)
    assert type(twin) is type(model)
    assert inspect.getsource(twin.forward) == model.code
    check(twin, model, graph, names)
    before = run(model, tensors(graph, names))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert_same(run(model, tensors(graph, names)), before, 0)
    assert pickle.loads(pickle.dumps(model.train())).training


def test_autocast_computes_in_bfloat16_and_the_loss_in_float32(model, graph):
    dtypes = set()
    for names in subsets(graph).values():
        inputs = tensors(graph, names, **FRESH)
        expected = run(model, inputs)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = model(**shuffled(inputs))
        assert set(outputs) == set(expected)
        for name, value in outputs.items():
            if graph.outputs[name].dtype == "float32":
                assert value.dtype == torch.float32, name
        dtypes |= {value.dtype for value in outputs.values()}
        wide = {name: value.detach().float().numpy() for name, value in outputs.items()}
        assert_same(wide, expected, 0.06)  # bfloat16 keeps 8 bits, 0.004; seen: 0.03.
        assert any(np.abs(wide[name] - expected[name]).max() > 1e-4 for name in wide)
    # Layer norm's are float32 there, and where no label is given a model may have no other output.
    assert torch.bfloat16 in dtypes


def test_every_parameter_takes_part_in_the_loss(model, graph):
    inputs = tensors(graph, subsets(graph)["everything"])
    model.zero_grad()
    model(**inputs)["loss"].backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_gradients_are_the_losses_slopes_for_each_parameter(graph):
    # Along a random direction in each parameter in turn; a tied table's is the sum of all its uses.
    model = make_model(graph, "float64")
    inputs = tensors(graph, subsets(graph)["everything"], torch.float64)
    gradients = loss_gradients(model, model, inputs)
    step = 1e-8  # Small, lest a relu turn on or off between the two.
    largest = max(np.abs(value).max() for value in gradients.values())
    for name, parameter in model.named_parameters():
        direction = torch.from_numpy(np.sign(gradients[name]))
        with torch.no_grad():
            parameter += step * direction
            above = model(**inputs)["loss"].item()
            parameter -= 2 * step * direction
            below = model(**inputs)["loss"].item()
            parameter += step * direction
        slope = np.abs(gradients[name]).sum()
        assert abs((above - below) / (2 * step) - slope) <= 1e-5 * max(slope, largest), name


def test_float64_is_float64_throughout(graph):
    model = make_model(graph, "float64")
    assert {value.dtype for value in model.state_dict().values()} == {torch.float64}
    names = subsets(graph)["everything"]
    outputs = model(**tensors(graph, names, torch.float64))
    assert {value.dtype for value in outputs.values()} == {torch.float64}


def test_a_bfloat16_model_compiles_exports_and_pickles():
    graph = small_spec("bert_base").graph()
    model = make_model(graph, "bfloat16")
    names = subsets(graph)["everything"]
    inputs = tensors(graph, names, **FRESH)
    expected, wide = run_wide(model, inputs), run(make_model(graph), inputs)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    seen = tensors(graph, names)
    exported = torch.export.export(
        model, (), seen, dynamic_shapes=dynamic_shapes(graph, seen), strict=False
    ).module()
    for tool in (compiled, exported, pickle.loads(pickle.dumps(model))):
        found = run_wide(tool, shuffled(inputs))
        # A graph attends by the fused kernel, which rounds otherwise than plain products; seen: 0.028.
        assert_same(found, expected, 0.04)
        assert_same(found, wide, 0.06)  # Seen: 0.036.
    assert any(np.abs(wide[name] - expected[name]).max() > 1e-4 for name in wide)


def run_wide(model, inputs) -> dict[str, np.ndarray]:
    """The outputs in float32: NumPy has no bfloat16."""
    return {name: value.detach().float().numpy() for name, value in model(**inputs).items()}


def test_dropout_works_in_training_and_only_then(case, model, graph):
    inputs = tensors(graph, subsets(graph)["everything"])
    plain = run(model, inputs)
    model.train()
    first, second = (run(model, inputs)["loss"] for _ in range(2))
    drops = getattr(small_spec(case).model, "dropout", 0) > 0
    assert (first != second) == drops
    model.eval()
    assert_same(run(model, inputs), plain, 0)


def test_no_node_may_have_a_name_that_a_module_has_taken(model):
    taken = {name for name in {*dir(nn.Module()), *dir(model)} if not name.startswith("_")}
    taken -= {name for name, _ in model.named_children()}
    taken -= {"smart_apply"}  # transformers puts it there when it builds a model, as other tests make it do.
    assert [name for name in sorted({*taken, *keyword.kwlist, "self"}) if why_no_node(name) is None] == []
    assert [name for name in ["self", *keyword.kwlist] if why_no_input(name) is None] == []


def test_names_that_the_generated_code_has_for_itself_may_be_a_specs_own():
    dense = {"kind": "dense", "size": 4}
    spec = ExperimentSpec.model_validate(
        {
            "model": {
                "kind": "graph",
                "inputs": {
                    "input": {"shape": ("batch", 3)},
                    "torch": {"shape": ("batch", 3), "optional": True},
                },
                "nodes": {
                    "id": {"block": dense, "inputs": "input"},
                    "device": {"block": dense, "inputs": "torch"},
                    "present": {"block": {"kind": "add"}, "inputs": ("id", "device")},
                    "input_1": {"like": "id", "inputs": "torch"},
                    "id_module": {"block": {"kind": "dense", "size": 2}, "inputs": "id"},
                    "outputs": {"block": {"kind": "add"}, "inputs": ("present", "input_1")},
                },
                "outputs": {"input": "outputs", "self": "id_module"},
            },
            "task": {"kind": "representation"},
        }
    )
    model = make_model(spec.graph())
    x, y = torch.randn(2, 3), torch.randn(2, 3)
    outputs = model(torch=y, input=x)
    assert torch.equal(outputs["input"], model.id(x) + model.device(y) + model.id(y))
    assert torch.equal(model(x)["self"], model.id_module(model.id(x)))
    assert set(model(x)) == {"self"}
