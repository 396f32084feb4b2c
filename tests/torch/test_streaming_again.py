"""A unit's second run computes what its gradients need, and its gradients are those of a run that computes all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from zoo_torch.blocks import rematerialize
from zoo_torch.blocks.dense import Dense
from zoo_torch.blocks.feed_forward import FeedForward
from zoo_torch.streaming_again import SecondRun

WIDTH, ROWS = 8, 6
PRODUCTS = (torch.ops.aten.mm.default, torch.ops.aten.addmm.default)


class Residual(nn.Module):
    """``combine(x, feed_forward(x))``."""

    def __init__(self, combine: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.inner = FeedForward(hidden_size=WIDTH, size=2 * WIDTH, bias=True, activation=nn.GELU())
        self.combine = combine

    def forward(self, x: Tensor) -> Tensor:
        return self.combine(x, self.inner(x))


class Counted(TorchDispatchMode):
    """Counts products."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func in PRODUCTS
        return func(*args, **(kwargs or {}))


def gradients(
    module: nn.Module, run: Callable[[], tuple[Tensor, ...]], x: Tensor
) -> tuple[list[Tensor], int]:
    """Of the input and of each parameter, and how many products the run computed."""
    with Counted() as counted:
        outputs = run()
    wanted = [x, *module.parameters()]
    return list(
        torch.autograd.grad(outputs, wanted, [torch.ones_like(each) for each in outputs])
    ), counted.count


def hold(module: nn.Module, saved: int) -> None:
    """Whatever run of it, the gradients are those of the first; ``saved`` products are spared from the second on."""
    torch.manual_seed(0)
    second = SecondRun(module)
    for _ in range(3):
        x = torch.randn(2, ROWS, WIDTH, requires_grad=True)
        wanted, all_ = gradients(module, lambda x=x: (module(x),), x)
        second.outputs(lambda x=x: (module(x),))
        found, count = gradients(module, lambda x=x: second.outputs(lambda: (module(x),)), x)
        assert count == all_ - saved
        for one, other in zip(found, wanted, strict=True):
            assert torch.equal(one, other)
    assert all("forward" not in each.__dict__ for each in module.modules())


def test_a_product_that_is_added_to_what_the_layer_was_given_is_not_computed_again() -> None:
    hold(Residual(torch.add), 1)


def test_nor_is_either_of_two_that_are_added_up() -> None:
    first, other = Dense(WIDTH, WIDTH), Dense(WIDTH, WIDTH)
    module = Residual(lambda x, y: x + first(x) + y + other(x))
    module.others = nn.ModuleList([first, other])
    hold(module, 3)


def test_a_unit_that_is_one_product_computes_nothing() -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.only = Dense(WIDTH, WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            return self.only(x)

    hold(Whole(), 1)


@pytest.mark.parametrize(
    "combine",
    [
        lambda x, y: torch.tanh(x + y),
        lambda x, y: nn.functional.layer_norm(x + y, (WIDTH,)),
        lambda x, y: x * y,
        lambda x, y: x + y / float(y.detach().abs().max()),
        lambda x, y: torch.add(x, y, alpha=float(y.detach().abs().max())),
    ],
    ids=[
        "a function of it",
        "a norm of it",
        "a product with it",
        "divided by a number of it",
        "times a number of it",
    ],
)
def test_a_product_whose_value_its_gradients_need_is_computed(
    combine: Callable[[Tensor, Tensor], Tensor],
) -> None:
    hold(Residual(combine), 0)


def test_what_a_function_of_ones_own_keeps_by_itself_is_computed() -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, y):
            ctx.y = y.detach()
            return y * y

        @staticmethod
        def backward(ctx, gradient):
            return 2 * ctx.y * gradient

    hold(Residual(lambda x, y: x + Square.apply(y)), 0)


def test_a_unit_that_goes_another_way_than_before_is_run_as_a_whole() -> None:
    module = Residual(torch.add)
    second = SecondRun(module)
    x = torch.randn(2, ROWS, WIDTH, requires_grad=True)
    second.outputs(lambda: (module(x),))
    module.combine = torch.mul
    wanted, _ = gradients(module, lambda: (module(x),), x)
    found, _ = gradients(module, lambda: second.outputs(lambda: (module(x),)), x)
    for one, other in zip(found, wanted, strict=True):
        assert torch.equal(one, other)


def test_where_a_unit_keeps_what_it_needs_its_gelu_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    again: list[str] = []
    compute = rematerialize.AGAIN["GeluBackward0"]
    monkeypatch.setitem(
        rematerialize.AGAIN, "GeluBackward0", lambda node: again.append("gelu") or compute(node)
    )
    module = Residual(torch.add)
    x = torch.randn(2, ROWS, WIDTH, requires_grad=True)
    for keeps, times in ((True, 0), (False, 1)):
        with rematerialize.keeping(keeps):
            y = module(x)
        y.sum().backward()
        assert len(again) == times


def test_a_unit_that_changes_something_besides_is_run_as_a_whole() -> None:
    module = Residual(torch.add)
    second = SecondRun(module, is_whole=True)
    x = torch.randn(2, ROWS, WIDTH, requires_grad=True)
    for _ in range(2):
        assert gradients(module, lambda: second.outputs(lambda: (module(x),)), x)[1] == 2
