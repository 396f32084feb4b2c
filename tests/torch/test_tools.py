"""Tools that torch's users apply to any module work on a compiled model or say that they do not: never nothing."""

from __future__ import annotations

import contextlib
import copy
import io
import pickle
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import zoo_torch
from small_models import cases, draw_inputs, probe_weights, small_spec, subsets
from zoo_spec import load_spec
from zoo_torch.blocks.norm import BatchNorm
from zoo_torch.precision import HALF

TOLERANCES = {torch.float64: 1e-12, torch.float32: 4e-6, torch.float16: 0.006, torch.bfloat16: 0.06}
"""Of an output's largest value; seen: 0, 1.0e-6, 2.0e-3 and 2.4e-2."""


@pytest.fixture(params=cases())
def graph(request):
    return small_spec(request.param).graph()


def made(graph, **how):
    model = zoo_torch.compile(graph, **how)
    zoo_torch.set_weights(model, probe_weights(graph))
    return model


def outputs(model, graph, dtype=torch.float32):
    """Outputs on drawn inputs, as float64; ``dtype`` is that of float inputs."""
    drawn = draw_inputs(graph, subsets(graph)["everything"], seed=3, batch=2)
    inputs = {name: torch.from_numpy(value) for name, value in drawn.items()}
    given = {name: value.to(dtype) if value.is_floating_point() else value for name, value in inputs.items()}
    with torch.no_grad():
        found = model(**given)
    return {name: value.double().numpy() for name, value in found.items()}, found


def assert_close(found, expected, tolerance):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert np.abs(found[name] - value).max() <= tolerance * np.abs(value).max(), name


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("start", ["float32", "bfloat16"])
def test_another_dtype_is_what_the_model_computes_in_from_then_on(graph, dtype, start):
    expected, _ = outputs(made(graph, dtype="float64"), graph, torch.float64)
    model = made(graph, dtype=start).to(dtype)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    found, tensors = outputs(model, graph, wide)
    assert_close(found, expected, TOLERANCES[dtype])
    widths = {value.dtype for value in tensors.values()}
    assert dtype in widths or all(graph.outputs[name].dtype != "float" for name in tensors)
    assert (widths - {dtype} <= {torch.float32}) or dtype == torch.float64
    if dtype in HALF and "loss" in tensors:
        assert tensors["loss"].dtype == torch.float32
    kinds = {value.dtype for value in model.state_dict().values()}
    assert dtype in kinds
    assert kinds <= {dtype, torch.float32} if dtype in HALF else kinds == {dtype}


def test_norms_tables_and_statistics_keep_their_digits_where_a_model_is_narrowed():
    for name in ("unet_classic", "gptj_6b", "t5_11b", "transformer_base"):
        graph = small_spec(name).graph()
        narrowed, wide = made(graph).bfloat16(), made(graph)
        for path, module in narrowed.named_modules():
            same = dict(wide.get_submodule(path).named_buffers(recurse=False))
            if isinstance(module, BatchNorm | nn.LayerNorm | nn.RMSNorm):
                same |= dict(wide.get_submodule(path).named_parameters(recurse=False))
            for leaf, value in same.items():
                assert torch.equal(getattr(module, leaf), value), f"{path}.{leaf}"
    rotary = zoo_torch.compile(small_spec("gptj_6b")).double().decoder.layers[0].attention.position
    exact = zoo_torch.compile(small_spec("gptj_6b"), dtype="float64").decoder.layers[0].attention.position
    assert torch.equal(rotary.cos, exact.cos)


@contextlib.contextmanager
def init_empty_weights():
    """What accelerate's does: parameters that are registered go to the meta device."""
    plain = nn.Module.register_parameter

    def register(module, name, parameter):
        plain(module, name, parameter)
        if parameter is not None:
            held = module._parameters[name]
            module._parameters[name] = nn.Parameter(held.to("meta"), requires_grad=held.requires_grad)

    nn.Module.register_parameter = register
    try:
        yield
    finally:
        nn.Module.register_parameter = plain


@pytest.mark.parametrize("how", ["device", "context", "init_empty_weights"])
def test_a_model_without_memory_draws_nothing_and_takes_weights_later(graph, how, monkeypatch):
    for initializer in {type(parameter.initializer) for parameter in graph.parameters().values()}:
        monkeypatch.setattr(initializer, "draw", lambda *_: pytest.fail("values were drawn"))
    with contextlib.ExitStack() as stack:
        if how != "device":
            stack.enter_context(torch.device("meta") if how == "context" else init_empty_weights())
        model = zoo_torch.compile(graph, **({"device": "meta"} if how == "device" else {}))
    assert all(value.is_meta for value in model.state_dict().values())
    monkeypatch.undo()
    expected, _ = outputs(made(graph), graph)
    emptied = copy.deepcopy(model).to_empty(device="cpu")
    zoo_torch.set_weights(emptied, probe_weights(graph))
    assert_close(outputs(emptied, graph)[0], expected, 0)
    zoo_torch.set_weights(model, probe_weights(graph))
    if (
        how == "init_empty_weights"
    ):  # The others' tables are on the meta device too: to_empty brings them back.
        assert_close(outputs(model, graph)[0], expected, 0)


def test_torchs_default_device_is_the_models():
    with torch.device("cpu"):
        assert zoo_torch.compile(load_spec("mnist_fc")).classifier.dense.weight.device.type == "cpu"
    with torch.device("meta"):
        model = zoo_torch.compile(load_spec("mnist_fc"), device="cpu")
    assert not any(value.is_meta for value in model.state_dict().values())


def test_dynamic_quantization_finds_the_dense_layers():
    model = made(small_spec("bert_base").graph())
    dense = sum(isinstance(module, nn.Linear) for module in model.modules())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    kind = torch.ao.nn.quantized.dynamic.Linear
    assert sum(isinstance(module, kind) for module in quantized.modules()) == dense > 12
    found, expected = (outputs(each, small_spec("bert_base").graph())[0] for each in (quantized, model))
    assert_close(found, expected, 0.3)
    assert not np.array_equal(found["hidden_states"], expected["hidden_states"])


class LowRank(nn.Module):
    """Stands in a linear layer's place, as adapters do, and adds a product of low rank to it."""

    def __init__(self, base):
        super().__init__()
        self.base = base
        self.down = nn.Linear(base.in_features, 2, bias=False)
        self.up = nn.Linear(2, base.out_features, bias=False)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


def test_a_layer_that_is_put_in_another_s_place_computes_and_alone_learns():
    graph = small_spec("bert_base").graph()
    model = made(graph)
    for path, module in list(model.named_modules()):
        if isinstance(module, nn.Linear):
            model.set_submodule(path, LowRank(module))
    added = {name: p for name, p in model.named_parameters() if ".down." in name or ".up." in name}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in added)
    inputs = draw_inputs(graph, subsets(graph)["everything"], batch=2)
    model(**{name: torch.from_numpy(value) for name, value in inputs.items()})["loss"].backward()
    assert len(added) > 20
    assert all(parameter.grad.abs().max() > 0 for parameter in added.values())


@pytest.mark.parametrize(
    "tool",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: torch.load(_saved(model), weights_only=False),
        torch.nn.utils.parametrizations.weight_norm,
        torch.optim.swa_utils.AveragedModel,
        lambda model: model.to(memory_format=torch.channels_last).share_memory(),
    ],
    ids=["deepcopy", "pickle", "torch.save", "weight_norm", "average", "memory format"],
)
def test_a_tool_that_changes_nothing_of_what_is_computed_changes_nothing(tool):
    for name in ("bert_base", "transformer_base", "unet_classic"):
        graph = small_spec(name).graph()
        model = made(graph)
        expected, _ = outputs(model, graph)
        if tool is torch.nn.utils.parametrizations.weight_norm:
            for layer in [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]:
                tool(layer)
        else:
            model = tool(model)
        assert_close(outputs(model, graph)[0], expected, 1e-5)


def _saved(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return file


def loss_of(model):
    graph = load_spec("bert_tiny_classification").graph()
    inputs = draw_inputs(graph, subsets(graph)["everything"], batch=2, sequence=9)
    return model(**{name: torch.from_numpy(value) for name, value in inputs.items()})["loss"]


def dropping(rate=0.1):
    return zoo_torch.compile(load_spec("bert_tiny_classification", [f"model.dropout={rate}"]))


def test_a_model_that_is_trained_without_being_told_says_so_once():
    model = dropping()
    assert not model.training
    wrapped = nn.ModuleDict({"model": model}).eval()  # As a trainer does around an evaluation.
    with pytest.warns(UserWarning, match=r"evaluation mode.*without dropout\. Call model\.train\(\)"):
        loss_of(model).backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss_of(model).backward()
        wrapped.train()
        assert not torch.equal(loss_of(model), loss_of(model))
        loss_of(dropping().train().eval()).backward()
        loss_of(dropping(0.0)).backward()
        with torch.no_grad():
            loss_of(dropping())
