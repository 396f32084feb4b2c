"""``benchmarks/training_step.py``: what it counts and divides; the times are another matter."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import training_step

    yield training_step
    own = ("training_step", "family_steps", "measure", "step_worker", "turns")
    for name in [name for name in sys.modules if name.split(".")[0] in own]:
        del sys.modules[name]


def test_the_flops_of_a_step_are_those_of_berts_products(script):
    rows, tokens, predictions, layers, width, inner, vocabulary = 8, 128, 20, 12, 768, 3072, 30522
    products = 4 * width * width + 2 * width * inner  # Query, key, value, output; the feed-forward's two.
    scores = 2 * tokens * width  # Each token with every other, and the values that this weighs.
    encoder = layers * tokens * (products + scores)
    heads = predictions * (width * width + width * vocabulary) + width * width + 2 * width
    forward = 2 * rows * (encoder + heads)
    assert script.Case().flops() == (3 * forward, forward)


def test_a_steps_rate_is_a_share_of_the_fastest_product_of_either_framework(script):
    fast, slow = (1000, 10, 50), (10, 10, 10)  # 1e6 and 2e3 FLOPs each.
    times = {fast: {"torch": [0.5, 0.4], "tf": [0.3, 0.25]}, slow: {"torch": [1.0, 1.0], "tf": [1.0, 1.0]}}
    best = script.best_product(times)
    assert best == pytest.approx(script.REPEATS * 1e6 / 0.25)
    steps = {"torch": [4.0, 2.0], "transformers": [0.1], "tf": [5.0, 8.0]}
    flops = round(best)  # A second of products.
    torch, tf = script.shares("training step", flops, steps, ["torch", "tf"], best, 0.4)
    assert (torch.value, tf.value) == pytest.approx((0.5, 0.2))
    assert (torch.passed, tf.passed) == (True, False)
    assert "training step, tf: share of the products'" in tf.what


def test_a_product_is_as_many_flops_as_are_counted(script):
    from family_steps.products import products
    from torch.utils.flop_counter import FlopCounterMode

    for name, run in products("torch", script.Case()).items():
        with FlopCounterMode(display=False) as counter:
            run()
        rows, inner, columns = (int(size) for size in name.removeprefix("product (").rstrip(")").split(","))
        assert counter.get_total_flops() == 2 * rows * inner * columns * script.REPEATS
    assert script.processor()
