"""Inputs of products that are computed again in place of being kept: values, memory, and what autograd still says."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Replicate, distribute_tensor
from torch.utils.checkpoint import checkpoint

from zoo_torch.blocks import rematerialize
from zoo_torch.blocks.feed_forward import FeedForward
from zoo_torch.blocks.norm import LayerNorm

KINDS = {"erf": nn.GELU, "tanh": partial(nn.GELU, "tanh"), "relu": nn.ReLU}


def made(kind: str = "erf", dtype: torch.dtype = torch.float64, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    feed = FeedForward(hidden_size=6, size=12, bias=True, activation=KINDS[kind](), dropout=dropout)
    return nn.Sequential(LayerNorm(6, eps=0.1), feed).to(dtype)


def drawn(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(1), dtype=dtype).requires_grad_()


def gradients(model: nn.Module, call: Callable[..., Tensor] | None = None) -> list[Tensor]:
    x = drawn(model[1].inner.weight.dtype)
    y = (call or model)(x)
    return list(torch.autograd.grad((y * y).sum(), [x, *model.parameters()]))


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """The kinds of nodes whose outputs were computed again."""
    found: list[str] = []
    for kind, compute in rematerialize.AGAIN.items():
        monkeypatch.setitem(
            rematerialize.AGAIN,
            kind,
            lambda node, of=compute: (found.append(type(node).__name__), of(node))[1],
        )
    return found


@pytest.fixture
def mesh() -> Iterator[DeviceMesh]:
    """Of one process."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield DeviceMesh("cpu", [0])
    dist.destroy_process_group()


def of_a_square(there: Callable[[Tensor], Tensor]) -> Tensor:
    """The gradient of a GELU's input; the product's weight, put ``there`` too, has the size of what it gave."""
    generator = torch.Generator().manual_seed(0)
    drawn = (torch.randn(4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    x, weight = (there(each).requires_grad_() for each in drawn)
    y = F.gelu(x)
    with rematerialize.rematerialized(y):
        z = y @ weight
    return torch.autograd.grad(z.square().sum(), x)[0]


def without(monkeypatch, call: Callable[[], list[Tensor]]) -> list[Tensor]:
    with monkeypatch.context() as patch:
        patch.setattr(rematerialize, "AGAIN", {})
        return call()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_kept_inputs_bit_for_bit(monkeypatch, counted, kind, dtype):
    model = made(kind, dtype)
    expected = without(monkeypatch, lambda: gradients(model))
    assert not counted
    assert all(map(torch.equal, gradients(model), expected))
    assert counted.count("GeluBackward0") == (kind != "relu")
    assert counted.count("NativeLayerNormBackward0") == (dtype != torch.bfloat16)  # It is rounded after.


def test_what_a_gelu_and_a_norm_gave_is_let_go_before_the_backward_pass():
    model, gone = made(), []
    for module in (model[0], model[1].activation):
        module.register_forward_hook(lambda module, given, y: gone.append(weakref.ref(y.untyped_storage())))
    y = model(drawn())
    assert [each() for each in gone] == [None, None]
    y.sum().backward()


def test_with_dropout_between_them_the_product_keeps_its_input(monkeypatch, counted):
    model = made(dropout=0.5)

    def seeded() -> list[Tensor]:
        torch.manual_seed(2)
        return gradients(model)

    assert all(map(torch.equal, seeded(), without(monkeypatch, seeded)))
    assert counted == ["NativeLayerNormBackward0"]


def test_second_derivatives_are_those_of_kept_inputs(monkeypatch):
    model = made()

    def second() -> list[Tensor]:
        x = drawn()
        (first,) = torch.autograd.grad(model(x).sin().sum(), x, create_graph=True)
        return list(
            torch.autograd.grad(first.square().sum(), [x, *model.parameters()], allow_unused=True)[:-1]
        )

    assert all(map(torch.equal, second(), without(monkeypatch, second)))


def test_under_checkpoints_functions_and_others_hooks_inputs_are_kept(monkeypatch, counted):
    model = made()
    expected = without(monkeypatch, lambda: gradients(model))
    assert all(
        map(torch.equal, gradients(model, lambda x: checkpoint(model, x, use_reentrant=False)), expected)
    )
    with torch.autograd.graph.save_on_cpu():
        assert all(map(torch.equal, gradients(model), expected))
    with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
        assert all(map(torch.equal, gradients(model), expected))
    assert all(map(torch.allclose, gradients(model, torch.vmap(model)), expected))
    weights, x = dict(model.named_parameters()), drawn().detach()

    def loss(given: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(model, given, (x,)).square().sum()

    found = torch.func.grad(loss)(weights)
    assert all(map(torch.allclose, found.values(), expected[1:]))
    assert not counted


def test_tensors_without_an_address_are_kept(counted, mesh):
    expected = of_a_square(lambda x: x)
    assert counted == ["GeluBackward0"]
    found = of_a_square(lambda x: distribute_tensor(x, mesh, [Replicate()]))
    assert torch.equal(found.to_local(), expected)
    with warnings.catch_warnings(action="error"):
        of_a_square(FakeTensorMode().from_tensor)
    of_a_square(lambda x: x.to("meta"))
    assert counted == ["GeluBackward0"]


def test_a_weight_that_is_changed_before_the_backward_pass_is_refused():
    model = made()
    y = model(drawn()).sum()
    with torch.no_grad():
        model[1].outer.weight.mul_(2)
    with pytest.raises(
        RuntimeError, match=r"shape \(12, 6\).* changed in place since the forward pass.*again"
    ):
        y.backward()


def test_an_output_that_someone_wrote_into_is_kept(monkeypatch):
    model = made()

    def noise(module: nn.Module, given: tuple[Tensor], y: Tensor) -> None:
        with torch.no_grad():
            y.add_(1)

    model[1].activation.register_forward_hook(noise)
    assert all(map(torch.equal, gradients(model), without(monkeypatch, lambda: gradients(model))))


def test_a_graph_that_is_gone_is_told_by_autograd():
    y = made()(drawn()).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
