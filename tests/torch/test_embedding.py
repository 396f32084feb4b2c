"""The gradient of a table whose rows' gradients are added up where those of a tied head lie."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from zoo_torch.blocks.embedding import Embedding, joined


@pytest.mark.parametrize("lookups", [1, 2, 3])
@pytest.mark.parametrize("uses", [("x",), ("table",), ("x", "table")])
def test_the_tables_gradient_is_dense_and_the_same(uses, lookups):
    gradients = []
    for tables in (False, True):
        torch.manual_seed(0)
        block = Embedding(7, 4, dtype=torch.float64)
        with joined([block] if tables else []):
            found = [block((torch.tensor([[0, 3, 3], [5, 0, 3]]) + turn) % 7) for turn in range(lookups)]
        loss = torch.zeros((), dtype=torch.float64)
        for turn, each in enumerate(found, 1):
            if "x" in uses:
                loss = loss + turn * (each["x"] ** 2).sum()
            if "table" in uses:
                loss = loss + turn * (F.linear(each["x"].detach(), each["table"]) ** 3).sum()
        loss.backward()
        assert not block.weight.grad.is_sparse
        gradients.append(block.weight.grad)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-14, atol=0)


def test_nothing_is_joined_beyond_the_passes():
    block = Embedding(7, 4)
    with joined([block]), joined([block]):
        one = block(torch.tensor([1]))["x"]
    two = block(torch.tensor([1]))["x"]
    assert block.joint is None
    assert torch.equal(one, two)
    assert torch.autograd.grad(one.sum(), block.weight)[0].layout == torch.strided


class Head(torch.autograd.Function):
    """A loss of a table, which notes where its gradient lies."""

    @staticmethod
    def forward(ctx, table, lies):
        ctx.lies, ctx.shape = lies, table.shape
        return table.sum()

    @staticmethod
    def backward(ctx, gradient):
        found = gradient.new_ones(ctx.shape)
        ctx.lies.append(found.data_ptr())
        return found, None


@pytest.mark.parametrize("head", [0, 1, 2])
def test_the_rows_gradients_are_added_where_the_heads_lie(head):
    """However often rows are looked up, and whichever lookup gave the head its table."""
    block, lies = Embedding(7, 4), []
    with joined([block]):
        found = [block(torch.tensor([0, 3])) for _ in range(3)]
    loss = Head.apply(found[head]["table"], lies)
    for each in found:
        loss = loss + each["x"].sum()
    loss.backward()
    assert lies == [block.weight.grad.data_ptr()]
    torch.testing.assert_close(block.weight.grad[:, 0], torch.tensor([4.0, 1, 1, 4, 1, 1, 1]))


def test_making_a_model_does_not_load_torchs_compiler():
    """Which takes as long as torch itself: a table on the device meta asks for it to draw its values."""
    lines = (
        "import sys, zoo_torch",
        "from zoo_spec import load_spec",
        "zoo_torch.compile(load_spec('bert_tiny', ['model.num_layers=1']))",
        "assert 'torch._dynamo' not in sys.modules",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
