"""``benchmarks/bounds.py``: which products it finds, and that it runs these; their times are another matter."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tensorflow as tf

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    tf.config.optimizer.set_experimental_options(
        {"disable_meta_optimizer": False}
    )  # Its names are those that ran.
    monkeypatch.syspath_prepend(BENCHMARKS)
    import bounds

    yield bounds
    own = {path.stem for path in BENCHMARKS.iterdir()}
    for name in [name for name in sys.modules if name.split(".")[0] in own]:
        del sys.modules[name]


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_the_products_of_a_step_are_those_that_its_spec_counts_and_run_alone(script, framework):
    from family_steps.zoo import steps_of, zoo_backend

    rows = 2
    case = script.Case(family="bert", tiny=True, rows=rows, length=24)
    backend = zoo_backend(framework, case)
    steps = steps_of(backend, case)
    runs = {"train": (steps.train, case.batch()), "forward": (steps.forward(rows), case.features(rows))}
    for (what, (run, inputs)), flops in zip(runs.items(), case.flops(), strict=True):
        run()
        found = script.products_of(backend, what, run, inputs)
        assert sum(each.count * each.flops for each in found.shapes) == flops
        assert max(found.shapes, key=lambda each: each.count * each.flops) == found.heaviest(1)[0]
        assert _count_of(framework, found.run) == sum(each.count for each in found.shapes)
    # The feed-forward's inner one, of each of both layers, on the way forward.
    inner = [each for each in found.shapes if _sizes(each.what) == [(48, 128), (128, 512)]]
    assert [each.count for each in inner] == [2]


def test_torchs_products_are_as_many_flops_as_it_counts_itself(script):
    import torch
    from bounds_parts.torch_products import recorded
    from torch.utils.flop_counter import FlopCounterMode

    along, across = torch.nn.Conv1d(3, 8, 5, stride=2, padding=1), torch.nn.ConvTranspose2d(4, 6, 2, stride=2)
    grouped, x = torch.nn.Conv1d(8, 8, 3, groups=4), torch.randn(2, 3, 21)
    with torch.no_grad():
        apart = grouped(torch.randn(2, 8, 9)).shape

    def run() -> None:
        with torch.no_grad():
            grouped(torch.randn(2, 8, 9))
        images = across(torch.randn(2, 4, 5, 7, requires_grad=True))
        found = along(x).mT @ torch.randn(2, 8, 6, requires_grad=True)
        (images.sum() + found.sum()).backward()

    with FlopCounterMode(display=False) as counter:
        run()
    found = recorded(run)
    assert sum(each.count * each.flops for each in found.shapes) == counter.get_total_flops()
    assert found.passed > 0
    assert [(each.what, each.count) for each in recorded(found.run).shapes] == [
        (each.what, each.count) for each in found.shapes
    ]
    assert apart == (2, 8, 7)


def test_tensorflows_convolutions_are_counted_with_their_gradients_and_loops_by_their_rounds(script):
    import tensorflow as tf
    from bounds_parts.tf_products import recorded

    kernel, matrix = tf.Variable(tf.random.normal([3, 3, 4, 8])), tf.random.normal([8, 8])

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reshape(tf.nn.conv2d(x, kernel, 2, "VALID"), [-1, 8])
            found = tf.reduce_sum(y * y)
        turned = tf.while_loop(lambda at, _: at < 5, lambda at, z: (at + 1, tf.tanh(z @ matrix)), (0, y))
        return tape.gradient(found, [x, kernel]), turned

    function = tf.function(step, input_signature=[tf.TensorSpec([None, None, None, 4], name="x")])
    x = tf.random.normal([2, 9, 11, 4])
    found = recorded(function.get_concrete_function(), {"x": x.shape}, lambda: function(x))
    one = 2 * (2 * 4 * 5) * (3 * 3 * 4 * 8)
    kinds = {each.what.split()[0].removeprefix("_Fused"): (each.count, each.flops) for each in found.shapes}
    assert kinds == {
        "Conv2D": (1, one),
        "Conv2DBackpropInput": (1, one),
        "Conv2DBackpropFilter": (1, one),
        "MatMul": (5, 2 * (2 * 4 * 5) * 8 * 8),
    }
    assert _count_of("tf", found.run) == 8


def _sizes(what: str) -> list[tuple[int, ...]]:
    """Of the last two factors with two sizes each."""
    shapes = [part.rstrip("T") for part in what.split(" ")[1:] if part != "x"]
    found = [tuple(map(int, shape.split("x"))) for shape in shapes]
    return [shape for shape in found if len(shape) > 1][-2:]


def _count_of(framework: str, run) -> int:
    """How many products it runs."""
    if framework == "torch":
        from bounds_parts.torch_products import recorded

        return sum(each.count for each in recorded(run).shapes)
    from bounds_parts.tf_products import executions

    return sum(executions(run).values())
