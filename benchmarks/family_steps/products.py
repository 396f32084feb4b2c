"""The matrix products that a step is made of, by themselves."""

from __future__ import annotations

import numpy as np

from family_steps.case import Case
from family_steps.steps import Run

ROWS = 1024
REPEATS = 10
"""Products in one run, so that what a call costs does not show."""

Sizes = tuple[int, int, int]


def sizes(case: Case) -> tuple[Sizes, ...]:
    """Rows, inner size and columns, at 1,024 tokens."""
    width, inner = case.of.products
    if case.width:
        width, inner = case.width, case.width * inner // width
    return (ROWS, width, inner), (ROWS, inner, width), (ROWS, width, width)


def products(name: str, case: Case) -> dict[str, Run]:
    """``REPEATS`` float32 products of each of the sizes by this way's framework, as this process computes them."""
    return {key(each): _product(name, *each) for each in sizes(case)}


def key(of: Sizes) -> str:
    """What a worker is asked for."""
    return f"product {of}"


def _product(name: str, rows: int, inner: int, columns: int) -> Run:
    draw = np.random.default_rng(0)
    left = draw.standard_normal((rows, inner), np.float32)
    right = draw.standard_normal((columns, inner), np.float32)
    if name in ("torch", "transformers"):
        import torch

        x, weight = torch.from_numpy(left), torch.from_numpy(right)

        @torch.no_grad()
        def run() -> object:
            for _ in range(REPEATS):
                y = torch.nn.functional.linear(x, weight)
            return float(y[0, 0])
    else:
        import tensorflow as tf

        x, kernel = tf.constant(left), tf.constant(right.T)

        def run() -> object:
            for _ in range(REPEATS):
                y = tf.matmul(x, kernel)
            return float(y[0, 0])

    return run
