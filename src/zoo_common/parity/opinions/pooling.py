"""Third opinions on what makes one vector of a whole example's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Array
from zoo_common.parity.opinions.base import Floats, Seat, opinion
from zoo_spec.blocks import pooler, pooling


@opinion.register
def _pooler(block: pooler.Pooler, seat: Seat) -> Array:
    return np.tanh(seat.inner("dense", _starts(seat)))


@opinion.register
def _first_token(block: pooler.FirstToken, seat: Seat) -> Array:
    return _starts(seat)


@opinion.register
def _last_token(block: pooler.LastToken, seat: Seat) -> Array:
    places = np.where(_mine(seat), np.arange(seat.take().shape[1]), 0).max(2)
    return _one_or_each(seat, np.take_along_axis(seat.take(), places[:, :, None], 1))


@opinion.register
def _mean(block: pooling.MeanPooling, seat: Seat) -> Array:
    sums, numbers = _sums(seat, _mine(seat).astype(np.float64))
    return _one_or_each(seat, sums / numbers)


@opinion.register
def _square_root(block: pooling.SquareRootPooling, seat: Seat) -> Array:
    sums, numbers = _sums(seat, _mine(seat).astype(np.float64))
    return _one_or_each(seat, sums / np.sqrt(numbers))


@opinion.register
def _weighted_mean(block: pooling.WeightedMeanPooling, seat: Seat) -> Array:
    given = seat.get("pooled_positions")
    starts = np.zeros((1, 1, 1)) if given is None else seat.ids("pooled_positions")[:, :, None]
    sums, numbers = _sums(seat, _mine(seat) * 1.0 * (np.arange(seat.take().shape[1]) - starts + 1))
    return _one_or_each(seat, sums / numbers)


@opinion.register
def _max(block: pooling.MaxPooling, seat: Seat) -> Array:
    values = np.where(_mine(seat)[..., None], seat.take()[:, None], -np.finfo(np.float64).max)
    return _one_or_each(seat, values.max(2))


@opinion.register
def _unit_length(block: pooling.UnitLength, seat: Seat) -> Array:
    x = seat.take()
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), block.epsilon))


def _starts(seat: Seat) -> Floats:
    if seat.get("pooled_positions") is None:
        return seat.take()[:, 0]
    return np.take_along_axis(seat.take(), seat.ids("pooled_positions")[:, :, None], 1)


def _mine(seat: Seat) -> NDArray[np.bool_]:
    """``[batch, examples, sequence]``: which tokens are an example's own."""
    x, given = seat.take(), seat.get("example_ids")
    ids = np.ones(x.shape[:2], np.int64) if given is None else seat.ids("example_ids")
    if seat.get("pooled_positions") is None:
        return (ids > 0)[:, None]
    wanted = np.take_along_axis(ids, seat.ids("pooled_positions"), 1)
    return np.asarray(ids[:, None] == wanted[:, :, None])


def _sums(seat: Seat, weights: Floats) -> tuple[Floats, Floats]:
    return np.einsum("bet,btd->bed", weights, seat.take()), np.maximum(weights.sum(2, keepdims=True), 1e-9)


def _one_or_each(seat: Seat, vectors: Floats) -> Floats:
    return vectors[:, 0] if seat.get("pooled_positions") is None else vectors
