"""A product whose result is never there as a whole: a loss takes its factors, and computes some rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from zoo_spec.blocks.losses import ROWS_AT_ONCE
from zoo_tf.blocks.dense import turned_product
from zoo_tf.derivatives import Derivative, is_watched, with_derivative
from zoo_tf.precision import at_least_float32

# N rows, D features, V classes, R rows of a part.


@dataclass(frozen=True, eq=False)
class Product:
    """Logits ``x weight^T + bias [..., V]`` of ``x [..., D]`` and ``weight [V, D]``, which nobody has computed.

    If ``is_turned``, the weight is ``[D, V]``.
    """

    x: tf.Tensor
    weight: tf.Tensor
    bias: tf.Tensor | None
    is_turned: bool


def cross_entropy_sum(
    product: Product, labels_N: tf.Tensor, weights_N: tf.Tensor, label_smoothing: float
) -> tf.Tensor:
    """``sum(weights * cross-entropy)``, its gradient computed with it, some rows at a time; in the weights' dtype.

    So of logits, probabilities and their gradient there are never more than those rows, and no product is computed
    twice (Hsu et al., 2024, 3.2).
    """
    x_ND = tf.reshape(product.x, [-1, product.x.shape[-1]])
    factors = [x_ND, product.weight, *([] if product.bias is None else [product.bias])]
    sums = _Sums(product.is_turned, label_smoothing, [is_watched(each) for each in factors])

    def summed(*factors: tf.Tensor) -> tuple[tf.Tensor, Derivative]:
        each_N, found = sums.over_rows(factors, labels_N, weights_N)

        def multiplied(gradient: tf.Tensor) -> list[tf.Tensor | None]:
            return [None if each is None else each * tf.cast(gradient, each.dtype) for each in found]

        return tf.reduce_sum(weights_N * each_N), multiplied

    return with_derivative(summed, *factors)


@dataclass(frozen=True)
class _Sums:
    """The gradients of the factors that need one, summed in float32 or wider over the rows."""

    is_turned: bool
    smoothing: float
    needed: Sequence[bool]

    def over_rows(
        self, factors: Sequence[tf.Tensor], labels_N: tf.Tensor, weights_N: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor | None]]:
        """Each row's loss, and the gradients of the factors; None of those that need none."""
        x_ND, wide = factors[0], weights_N.dtype
        rows = tf.shape(x_ND)[0]
        # As zoo_spec.blocks.losses.parts has it.
        parts = tf.maximum(2, -(-rows // ROWS_AT_ONCE))
        # All of one size, as XLA wants them: the last ends with rows of zeros, which weigh nothing.
        size = -(-rows // parts)
        x_PRD, labels_PR, weights_PR = (
            tf.reshape(_filled_up(each, parts * size - rows), [parts, size, *each.shape[1:]])
            for each in (x_ND, labels_N, weights_N)
        )
        every = [tf.TensorArray(wide, parts, infer_shape=False, element_shape=[None])]
        if self.needed[0]:
            every.append(
                tf.TensorArray(x_ND.dtype, parts, infer_shape=False, element_shape=[None, x_ND.shape[-1]])
            )
        totals = [
            tf.zeros(tf.shape(each), wide)
            for each, needed in zip(factors[1:], self.needed[1:], strict=True)
            if needed
        ]

        def part(at: tf.Tensor, every: list[tf.TensorArray], totals: list[tf.Tensor]) -> tuple[object, ...]:
            weights_R, x_RD = weights_PR[at], x_PRD[at]
            each_R, change_RV = self._each(x_RD, factors, labels_PR[at], wide)
            gradients = self._gradients(x_RD, change_RV, weights_R, factors)
            given = [each_R, *([gradients[0]] if self.needed[0] else [])]
            every = [array.write(at, value) for array, value in zip(every, given, strict=True)]
            learned = [each for each, needed in zip(gradients[1:], self.needed[1:], strict=False) if needed]
            return (
                at + 1,
                every,
                [total + tf.cast(each, wide) for total, each in zip(totals, learned, strict=True)],
            )

        _, every, totals = tf.while_loop(
            lambda at, *_: at < parts, part, [tf.constant(0), every, totals], parallel_iterations=1
        )
        joined = [_flat(array.stack())[:rows] for array in every]
        left = iter([*joined[1:], *totals])
        found = [
            tf.cast(next(left), each.dtype) if needed else None
            for each, needed in zip(factors, self.needed, strict=True)
        ]
        return joined[0], found

    def _each(
        self, x_RD: tf.Tensor, factors: Sequence[tf.Tensor], labels_R: tf.Tensor, wide: tf.DType
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The loss of each row, and its gradient with respect to the logits."""
        multiply = tf.matmul if self.is_turned else turned_product
        logits_RV = multiply(x_RD, factors[1])
        if len(factors) > 2:
            logits_RV = logits_RV + factors[2]
        logits_RV = at_least_float32(logits_RV)
        each_R, change_RV = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
            features=logits_RV, labels=labels_R
        )
        if not self.smoothing:
            return each_R, change_RV
        smoothing = tf.constant(self.smoothing, wide)
        spread_R = tf.reduce_logsumexp(logits_RV, -1) - tf.reduce_mean(logits_RV, -1)
        each_R = (tf.constant(1, wide) - smoothing) * each_R + smoothing * spread_R
        classes = logits_RV.shape[-1]
        return each_R, change_RV + smoothing * (tf.one_hot(labels_R, classes, dtype=wide) - 1 / classes)

    def _gradients(
        self, x_RD: tf.Tensor, change_RV: tf.Tensor, weights_R: tf.Tensor, factors: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        """Those of the factors; ``change_RV`` is of each row's own loss. The rows' weights go to what is smaller."""
        bias_V = tf.linalg.matvec(change_RV, weights_R, transpose_a=True)
        change_RV = tf.cast(change_RV, x_RD.dtype)
        weights_R1 = tf.cast(weights_R, x_RD.dtype)[:, tf.newaxis]
        weighted_RD = x_RD * weights_R1
        multiply = turned_product if self.is_turned else tf.matmul
        return [
            multiply(change_RV, factors[1]) * weights_R1,
            tf.matmul(weighted_RD, change_RV, transpose_a=True)
            if self.is_turned
            else tf.matmul(change_RV, weighted_RD, transpose_a=True),
            bias_V,
        ]


def _filled_up(x: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    return tf.pad(x, [[0, rows], *[[0, 0]] * (x.shape.rank - 1)])


def _flat(x: tf.Tensor) -> tf.Tensor:
    """Parts one after the other."""
    return tf.reshape(x, tf.concat([[-1], tf.shape(x)[2:]], 0))
