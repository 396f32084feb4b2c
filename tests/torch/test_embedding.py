"""The gradient of a table whose rows' gradients are added up where those of a tied head lie."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from zoo_torch.blocks.embedding import Embedding


@pytest.mark.parametrize("uses", [("x",), ("table",), ("x", "table")])
def test_the_tables_gradient_is_dense_and_the_same(uses):
    ids = torch.tensor([[0, 3, 3], [5, 0, 3]])
    gradients = []
    for sparse in (False, True):
        torch.manual_seed(0)
        block = Embedding(7, 4, dtype=torch.float64)
        block.sparse = sparse
        found = block(ids)
        loss = (found["x"] ** 2).sum() if "x" in uses else torch.zeros((), dtype=torch.float64)
        if "table" in uses:
            loss = loss + (F.linear(found["x"].detach(), found["table"]) ** 3).sum()
        loss.backward()
        assert not block.weight.grad.is_sparse
        gradients.append(block.weight.grad)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-14, atol=0)


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


def test_the_rows_gradients_are_added_where_the_heads_lie():
    block, lies = Embedding(7, 4), []
    block.sparse = True
    found = block(torch.tensor([0, 3]))
    (Head.apply(found["table"], lies) + found["x"].sum()).backward()
    assert lies == [block.weight.grad.data_ptr()]


def test_making_a_model_does_not_load_torchs_compiler():
    """Which takes as long as torch itself: a table on the device meta asks for it to draw its values."""
    lines = (
        "import sys, zoo_torch",
        "from zoo_spec import load_spec",
        "zoo_torch.compile(load_spec('bert_tiny', ['model.num_layers=1']))",
        "assert 'torch._dynamo' not in sys.modules",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
