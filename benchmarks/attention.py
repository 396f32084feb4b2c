"""TensorFlow's ways to attend, at BERT-base's shapes: forward and backward, as ratios to the one that Zoo uses.

``python benchmarks/attention.py`` prints a row a way. Prints pass if none is faster by more than 5 %.
"""

from __future__ import annotations

import math
import statistics
import time

import numpy as np

import zoo_tf  # noqa: F401  (chooses Keras' backend)

import keras  # isort: skip
import tensorflow as tf  # isort: skip

BATCH, LENGTH, HEADS, HEAD_SIZE = 8, 128, 12, 64
ROUNDS = 15


def zoo_way(q, k, v, mask):
    scores = tf.matmul(q * tf.constant(1 / math.sqrt(HEAD_SIZE), q.dtype), k, transpose_b=True) + mask
    return tf.matmul(tf.nn.softmax(scores), v)


def einsum_way(q, k, v, mask):
    scores = tf.einsum("bnth,bnsh->bnts", q, k) / math.sqrt(HEAD_SIZE) + mask
    return tf.einsum("bnts,bnsh->bnth", tf.nn.softmax(scores), v)


def keras_way(q, k, v, mask):
    order = (0, 2, 1, 3)
    found = keras.ops.dot_product_attention(*(tf.transpose(x, order) for x in (q, k, v)), bias=mask)
    return tf.transpose(found, order)


def where_way(q, k, v, mask):
    scores = tf.matmul(q, k, transpose_b=True) / math.sqrt(HEAD_SIZE)
    scores = tf.where(mask == 0, scores, tf.constant(-1e9, q.dtype))
    return tf.matmul(tf.nn.softmax(scores), v)


def main() -> None:
    draw = np.random.default_rng(0)
    q, k, v = (
        tf.constant(draw.standard_normal((BATCH, HEADS, LENGTH, HEAD_SIZE)), tf.float32) for _ in range(3)
    )
    mask = tf.constant(np.where(draw.random((BATCH, 1, 1, LENGTH)) < 0.8, 0, -np.inf), tf.float32)

    def step(way):
        @tf.function
        def run(q, k, v):
            with tf.GradientTape() as tape:
                tape.watch([q, k, v])
                total = tf.reduce_sum(way(q, k, v, mask))
            return tape.gradient(total, [q, k, v])

        return run

    ways = {
        "zoo: two products, scaled queries": step(zoo_way),
        "einsum": step(einsum_way),
        "keras.ops.dot_product_attention": step(keras_way),
        "masked by where": step(where_way),
    }
    times = {name: [] for name in ways}
    for run in ways.values():
        run(q, k, v)
    for _ in range(ROUNDS):
        for name, run in ways.items():
            start = time.perf_counter()
            run(q, k, v)[0].numpy()
            times[name].append(time.perf_counter() - start)
    own = statistics.median(next(iter(times.values())))
    for name, found in times.items():
        print(f"{name:<36}{statistics.median(found) / own:6.2f}")
    fastest = min(statistics.median(found) for found in times.values())
    print("pass" if own <= 1.05 * fastest else "FAIL", "limit 1.05 of the fastest")


if __name__ == "__main__":
    main()
