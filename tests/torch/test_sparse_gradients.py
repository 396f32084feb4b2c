"""The gradient of a table of which rows alone are taken: sparse until the update, which is that of a dense one."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from models import training_model
from small_models import draw_inputs, small_spec
from zoo_common.training.denominators import denominators
from zoo_spec.training.optimizers import AdamW, Sgd
from zoo_torch.blocks.embedding import Embedding, joined
from zoo_torch.optimizers import make_optimizer, spread, spread_many


def noting(seen, gradient):
    seen.append(gradient)
    return spread(gradient)


OPTIMIZERS = {
    "clipped": AdamW(learning_rate=0.1, max_gradient_norm=0.5),
    "within": AdamW(learning_rate=0.1, max_gradient_norm=1e6),
    "sgd": Sgd(learning_rate=0.1, momentum=0.9, weight_decay=0.1, max_gradient_norm=None),
}


def sparse_rows(rows: int = 9, width: int = 4) -> torch.Tensor:
    """One row twice, and most not at all."""
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(3, width)))
    return torch.sparse_coo_tensor(torch.tensor([[7, 2, 7]]), values, (rows, width), check_invariants=True)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_update_is_that_of_the_dense_gradient(name):
    found = []
    for is_sparse in (True, False):
        table = torch.nn.Parameter(torch.linspace(-1, 1, 36, dtype=torch.float64).view(9, 4))
        optimizer = make_optimizer(OPTIMIZERS[name], {"table": table}, {"table": "embedding"})
        norms = []
        for _ in range(3):
            table.grad = sparse_rows() if is_sparse else sparse_rows().to_dense()
            norms.append(optimizer.apply({"table": table.grad}, 0.1))
        assert table.grad is None
        found.append((table.detach(), *norms, *map(torch.from_numpy, optimizer.state().values())))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def resident_bytes() -> int:
    """Of this process."""
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="what is resident, Linux alone tells")
def test_rows_without_a_gradient_take_no_memory_where_they_are_read():
    rows, width = 50_000, 256
    gradient = sparse_rows(rows, width)
    before = resident_bytes()
    whole = spread(gradient)
    total = whole.sum()
    assert resident_bytes() - before < rows * width * 8 / 4
    torch.testing.assert_close(total, gradient.sum())
    assert torch.equal(whole, gradient.to_dense())


def test_a_gradient_of_most_rows_is_made_dense():
    for rows, is_sparse in ((6, True), (5, False)):
        table = torch.nn.Parameter(torch.zeros(rows, 4, dtype=torch.float64))
        table.grad = torch.sparse_coo_tensor(
            torch.tensor([[0, 4, 0]]), torch.ones(3, 4, dtype=torch.float64), (rows, 4), check_invariants=True
        )
        spread_many(table)
        assert table.grad.is_sparse is is_sparse
        assert table.grad.to_dense()[:, 0].tolist() == [2, 0, 0, 0, 1, 0][:rows]


@pytest.mark.parametrize(("head", "is_sparse"), [(False, True), (True, False)])
def test_a_table_that_a_head_has_too_has_a_dense_gradient(head, is_sparse):
    block = Embedding(7, 4)
    with joined([block], is_sparse=True):
        found = block(torch.tensor([0, 3]))
    (found["x"].sum() + (found["table"].sum() if head else 0)).backward()
    assert block.weight.grad.is_sparse is is_sparse


@pytest.mark.parametrize("micro_batch", [4, 2])
def test_steps_of_a_model_are_the_same(micro_batch, monkeypatch):
    """Whose vocabulary is large enough for rows to stay sparse, over several micro-batches too."""
    spec = small_spec("gpt_neox_tiny", "model.vocab_size=300")
    graph, found = spec.graph(), []
    rows = draw_inputs(graph, graph.inputs, batch=4)
    parts = [
        {name: value[at : at + micro_batch] for name, value in rows.items()}
        for at in range(0, 4, micro_batch)
    ]
    for is_sparse in (True, False):
        backend = training_model("torch", graph, spec.training)
        monkeypatch.setattr(type(backend), "sparse_rows", is_sparse)
        seen = []
        noted = partial(noting, seen)
        monkeypatch.setattr("zoo_torch.optimizers.spread", noted)
        for _ in range(2):
            backend.train_step(parts, denominators(graph, rows), 1e-2)
        assert bool(seen) is is_sparse
        found.append(dict(backend.model.state_dict()))
    torch.testing.assert_close(*found, rtol=0, atol=1e-14 if micro_batch == 2 else 0)
