"""Training in parts of the logits gives what training with all of them gives, and never has them all."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from models import training_model
from zoo_common.parity.probes import probe_inputs
from zoo_common.paths import fixed
from zoo_common.training.denominators import denominators
from zoo_spec import load_spec
from zoo_spec.blocks.losses import ROWS_AT_ONCE
from zoo_spec.shrink import shrunk
from zoo_tf.spared_logits import sparing_logits as sparing_tf
from zoo_torch.blocks import product
from zoo_torch.spared_logits import sparing_logits as sparing_torch

each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])


def case(name, *overrides):
    spec = shrunk(load_spec(name, list(overrides)))
    graph = spec.graph()
    assert graph.spared_logits
    return graph, spec.training, list(probe_inputs(graph, 0).values())[-1]


def in_both_ways(found):
    with fixed("logits whole"):
        whole = found()
    return found(), whole


@each_framework
@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("gpt2_tiny", ()),
        ("gpt2_tiny", ("model.tied_output=false", "model.output_bias=true", "task.label_smoothing=0.1")),
        ("bert_tiny", ("training.freeze=[embeddings.token.*]",)),
    ],
    ids=["tied", "dense, smoothed", "masked, a frozen table"],
)
def test_a_step_and_its_gradients_are_those_with_all_logits(monkeypatch, framework, name, overrides):
    monkeypatch.setattr(product, "_CLASSES_AT_ONCE", 7)  # So that a few classes are several times as many.
    # AdamW makes steps of one size of gradients that are rounding alone, as those of a key's bias are.
    graph, training, batch = case(name, "training.optimizer={kind: sgd, learning_rate: 1}", *overrides)
    halves = [{name: value[part] for name, value in batch.items()} for part in (slice(1), slice(1, None))]
    divisors = denominators(graph, batch)

    def step():
        model = training_model(framework, graph, training)
        gradients = model.gradients(batch)
        result = model.train_step(halves, divisors, 1e-3)
        return gradients, {"loss": float(result.loss)}, model.export_state().weights

    for parts, whole in zip(*in_both_ways(step), strict=True):
        assert parts.keys() == whole.keys()
        for key, value in whole.items():
            size = max(np.abs(value).max(), 1e-3 * max(np.abs(each).max() for each in whole.values()))
            assert np.abs(parts[key] - value).max() <= 1e-12 * size, key


class Largest(TorchDispatchMode):
    """Notes the number of values of the largest tensor that an operation gives."""

    values = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        for each in found if isinstance(found, tuple | list) else [found]:
            if isinstance(each, torch.Tensor):
                self.values = max(self.values, each.numel())
        return found


def test_no_tensor_of_a_step_has_all_logits_and_the_parts_are_of_few_rows():
    spec = load_spec("gpt2_tiny", ["model.vocab_size=5003", "model.num_layers=1"])
    ids = np.random.default_rng(0).integers(0, 5003, (22, 64), np.int32)
    model = training_model("torch", spec.graph(), spec.training, "float32")
    for way, rows in (("parts", ids.size // 3 + 1), ("whole", ids.size)):
        with Largest() as seen, fixed("logits whole") if way == "whole" else nullcontext():
            model.train_step([{"input_ids": ids, "labels": ids}], None, 1e-3)
        assert seen.values == rows * 5003, way
        assert rows <= ROWS_AT_ONCE or way == "whole"


class Neighbours(TorchDispatchMode):
    """Asserts that no product's factor has rows with what nobody wrote between them: NaN, by ``filling``."""

    products = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.addmm_):
            self.products += 1
            for factor in args[-2:]:
                rows = factor if factor.stride(1) == 1 else factor.mT
                whole = rows.as_strided((len(rows), max(rows.stride(0), rows.shape[1])), rows.stride())
                assert whole.isfinite().all(), (function, factor.shape, factor.stride())
        return function(*args, **(kwargs or {}))


@pytest.fixture
def filling():
    """Whatever memory PyTorch gives is NaN until it is written."""
    torch.use_deterministic_algorithms(True)
    assert torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("filling")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_what_lies_between_the_rows_of_logits_takes_no_part_in_their_gradients(dtype):
    """oneDNN reads it, in half width on a processor with AMX: there NaN in it was NaN in the gradient."""
    random = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(rows, 24, generator=random, dtype=dtype) for rows in (50, 131))
    x.requires_grad_()
    weight.requires_grad_()
    labels = torch.randint(131, (50,), generator=random)
    logits = product.Product(x, weight, None)
    with Neighbours() as seen:
        product.cross_entropy_sum(logits, labels, torch.ones(50), 0.0).backward()
    assert seen.products >= 3
    whole = [each.detach().double().requires_grad_() for each in (x, weight)]
    torch.nn.functional.cross_entropy(whole[0] @ whole[1].mT, labels, reduction="sum").backward()
    for found, expected in zip((x, weight), whole, strict=True):
        size = expected.grad.abs().max()
        assert (found.grad - expected.grad).abs().max() <= 4 * torch.finfo(dtype).eps * size


def test_logits_are_among_the_outputs_again_afterwards():
    graph, training, batch = case("gpt2_tiny")
    for framework, sparing in (("torch", sparing_torch), ("tf", sparing_tf)):
        model = training_model(framework, graph, training)
        with sparing(model.model, graph):
            assert "logits" not in model.call(batch)
        assert "logits" in model.call(batch)
        assert "logits" in model.evaluate_step(batch)


def test_a_second_backward_pass_is_refused_for_its_gradient_has_gone():
    graph, training, batch = case("gpt2_tiny")
    model = training_model("torch", graph, training)
    with sparing_torch(model.model, graph):
        loss = model._run(batch)["loss"]
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="run the model again"):
        loss.backward()
