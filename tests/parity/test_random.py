"""The three generators are one: NumPy's, torch's and TensorFlow's bits are equal, eager and compiled."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
import torch

from drawn import all_cases
from zoo_spec import random as reference
from zoo_tf import random as tf_random
from zoo_torch import random as torch_random

KEY = (0x13198A2E, 0xF3707344)
SHAPE = (3, 5, 7)
RATE = 0.1

# threefry2x32 with 20 rounds, from Random123's own kat_vectors: key, counter, result.
PUBLISHED = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


BACKEND = "inductor" if all_cases() else "aot_eager"
"""What inductor begins with; the published vectors go through its code."""


def torch_compiled(function, backend=BACKEND):
    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, backend=backend)


TORCH = {"eager": lambda function: function, "compile": torch_compiled}
TENSORFLOW = {
    "eager": lambda function: function,
    "function": tf.function,
    "jit": lambda function: tf.function(function, jit_compile=True),
}


@cache
def torch_block(mode):
    def block(key0, key1, counter0, counter1):
        low, high = torch_random.threefry2x32(key0, key1, counter0.int(), counter1.int())
        return low.long() & reference.WORD, high.long() & reference.WORD

    return block if mode == "eager" else torch_compiled(block, "inductor")


@pytest.mark.parametrize("mode", TORCH)
@pytest.mark.parametrize(("key", "counter", "expected"), PUBLISHED)
def test_torch_gives_the_published_vectors(mode, key, counter, expected):
    words = torch_block(mode)(*(torch.tensor([value]) for value in (*key, *counter)))
    assert tuple(int(word) for word in words) == expected


@cache
def tensorflow_block(mode):
    return TENSORFLOW[mode](tf_random.threefry2x32)


@pytest.mark.parametrize("mode", TENSORFLOW)
@pytest.mark.parametrize(("key", "counter", "expected"), PUBLISHED)
def test_tensorflow_gives_the_published_vectors(mode, key, counter, expected):
    words = tensorflow_block(mode)(
        *(tf.constant(value, tf.int64) for value in key),
        *(tf.constant([value], tf.uint32) for value in counter),
    )
    assert tuple(int(word[0]) for word in words) == expected


@pytest.mark.parametrize("count", [1, 2, 37, 4099])
@pytest.mark.parametrize("key", [KEY, (0, 0), (reference.WORD, reference.WORD)])
def test_bits_are_equal_for_keys_given_as_numbers(key, count):
    expected = reference.bits(key, count)
    np.testing.assert_array_equal(torch_random.bits(key, count).numpy(), expected)
    np.testing.assert_array_equal(tf_random.bits(key, count).numpy(), expected)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.999])
def test_dropout_masks_are_equal_for_keys_given_as_numbers(rate):
    expected = reference.dropout_mask(KEY, SHAPE, rate)
    np.testing.assert_array_equal(torch_random.dropout_mask(KEY, SHAPE, rate).numpy(), expected)
    np.testing.assert_array_equal(tf_random.dropout_mask(KEY, SHAPE, rate).numpy(), expected)


@pytest.mark.parametrize("number", [0, 1, 0x80000000, 1 << 40, (1 << 63) - 1])
def test_a_folded_key_is_equal(number):
    expected = reference.fold_in(KEY, number)
    assert tuple(int(word) for word in torch_random.fold_in(KEY, number)) == expected
    assert tuple(int(word) for word in tf_random.fold_in(KEY, number)) == expected


def expected_at(step):
    """What a layer with dropout draws at ``step``: all bits and the mask."""
    key = reference.fold_in(KEY, step)
    return reference.bits(key, 101), reference.dropout_mask(key, SHAPE, RATE)


@pytest.mark.parametrize("mode", TORCH)
def test_torch_folds_in_a_running_step_without_compiling_again(mode):
    graphs = torch._dynamo.utils.counters["stats"]

    def draw(key0, key1, step):
        key = torch_random.fold_in((key0, key1), step)
        return torch_random.bits(key, 101), torch_random.dropout_mask(key, SHAPE, RATE)

    run = TORCH[mode](draw)
    before = graphs["unique_graphs"]
    for step in (0, 1, 2, 1 << 33):
        drawn, mask = run(torch.tensor(KEY[0]), torch.tensor(KEY[1]), torch.tensor(step))
        expected = expected_at(step)
        np.testing.assert_array_equal(drawn.numpy(), expected[0])
        np.testing.assert_array_equal(mask.numpy(), expected[1])
    assert graphs["unique_graphs"] - before == (1 if mode == "compile" else 0)


@pytest.mark.parametrize("mode", TENSORFLOW)
def test_tensorflow_folds_in_a_running_step_without_tracing_again(mode):
    traces = []

    def draw(key0, key1, step):
        traces.append(step)
        key = tf_random.fold_in((key0, key1), step)
        return tf_random.bits(key, 101), tf_random.dropout_mask(key, SHAPE, RATE)

    run = TENSORFLOW[mode](draw)
    for step in (0, 1, 2, 1 << 33):
        drawn, mask = run(*(tf.constant(value, tf.int64) for value in (*KEY, step)))
        expected = expected_at(step)
        np.testing.assert_array_equal(drawn.numpy(), expected[0])
        np.testing.assert_array_equal(mask.numpy(), expected[1])
    assert len(traces) == (4 if mode == "eager" else 1)


class Masked(torch.nn.Module):
    """Dropout as a block would do it: the mask of the input's own shape, the step as an input."""

    def forward(self, x, step):
        mask = torch_random.dropout_mask(torch_random.fold_in(KEY, step), x.shape, RATE, x.device)
        return torch.where(mask, x, 0.0)


def test_an_exported_torch_module_draws_the_same_at_any_batch_size():
    batch = torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(
        Masked(), (torch.ones(4, 5), torch.tensor(0)), dynamic_shapes=({0: batch}, None)
    ).module()
    for rows, step in ((4, 0), (7, 3), (33, 5)):
        expected = reference.dropout_mask(reference.fold_in(KEY, step), (rows, 5), RATE)
        kept = exported(torch.ones(rows, 5), torch.tensor(step)) != 0
        np.testing.assert_array_equal(kept.numpy(), expected)


def test_torch_compiled_for_any_size_draws_the_same():
    run = torch_compiled(Masked())
    for rows, step in ((4, 0), (7, 3), (33, 5)):
        x = torch.ones(rows, 5)
        torch._dynamo.maybe_mark_dynamic(x, 0)
        expected = reference.dropout_mask(reference.fold_in(KEY, step), (rows, 5), RATE)
        np.testing.assert_array_equal(run(x, torch.tensor(step)).numpy() != 0, expected)


@pytest.mark.parametrize("jit", [False, True])
def test_a_tensorflow_graph_draws_the_same_at_any_batch_size(jit):
    @tf.function(input_signature=[tf.TensorSpec([None, 5]), tf.TensorSpec([], tf.int64)], jit_compile=jit)
    def masked(x, step):
        return tf_random.dropout_mask(tf_random.fold_in(KEY, step), tf.shape(x), RATE)

    for rows, step in ((4, 0), (7, 3), (33, 5)):
        expected = reference.dropout_mask(reference.fold_in(KEY, step), (rows, 5), RATE)
        kept = masked(tf.ones([rows, 5]), tf.constant(step, tf.int64))
        np.testing.assert_array_equal(kept.numpy(), expected)


def test_a_compiled_step_holds_the_generator_once_however_many_masks_it_draws():
    @tf.function
    def masks(key):
        return [tf_random.dropout_mask((key[0], key[1]), (rows, 5), RATE) for rows in range(1, 9)]

    graph = masks.get_concrete_function(tf.TensorSpec(2, tf.int64)).graph
    assert not [operation for operation in graph.get_operations() if operation.type == "BitwiseXor"]
    assert len(graph.as_graph_def().library.function) == 1
    for rows, mask in enumerate(masks(tf.constant(KEY, tf.int64)), 1):
        np.testing.assert_array_equal(mask, reference.dropout_mask(KEY, (rows, 5), RATE))
