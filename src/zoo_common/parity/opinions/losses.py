"""Third opinions on losses."""

from __future__ import annotations

import numpy as np

from zoo_common.backend import Array
from zoo_common.parity.opinions.base import Floats, Seat, opinion
from zoo_spec.blocks import losses
from zoo_spec.blocks.ctc_loss import BLANK, CtcLoss

Parts = dict[str, Array]


def _weighted(each: Floats, weights: Array | None) -> Parts:
    each = each.reshape(-1)
    counted = np.ones_like(each) if weights is None else np.asarray(weights, np.float64).reshape(-1)
    # What has no weight counts for nothing, infinite as it may be.
    numerator, denominator = np.sum(counted * np.where(counted == 0, 0.0, each)), np.sum(counted)
    ratio = numerator / denominator if denominator else np.float64(0)
    return {
        "loss": np.asarray(ratio),
        "numerator": np.asarray(numerator),
        "denominator": np.asarray(denominator),
    }


def _log_sum(x: Floats) -> Floats:
    top: Floats = x.max(-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        found: Floats = np.log(np.exp(x - top).sum(-1)) + top[..., 0]
    return found


@opinion.register
def _softmax_cross_entropy(block: losses.SoftmaxCrossEntropy, seat: Seat) -> Parts:
    logits = seat.take("logits")
    logits, labels = logits.reshape(-1, logits.shape[-1]), seat.ids("labels").reshape(-1)
    whole = _log_sum(logits)
    right = whole - logits[np.arange(len(labels)), labels]
    spread = whole - logits.mean(-1)
    return _weighted(
        (1 - block.label_smoothing) * right + block.label_smoothing * spread, seat.get("weights")
    )


@opinion.register
def _position_cross_entropy(block: losses.PositionCrossEntropy, seat: Seat) -> Parts:
    logits, labels, ids = seat.take("logits"), seat.ids("labels"), seat.get("example_ids")
    labels = labels.reshape(len(logits), -1)
    rows = np.arange(len(labels))[:, None]
    right, logits = logits[rows, labels], np.repeat(logits[:, None], labels.shape[1], axis=1)
    if ids is not None:
        logits = np.where(ids[:, None] == ids[rows, labels][:, :, None], logits, -np.inf)
    return _weighted((_log_sum(logits) - right).reshape(-1), seat.get("weights"))


@opinion.register
def _sigmoid_cross_entropy(block: losses.SigmoidCrossEntropy, seat: Seat) -> Parts:
    logits, labels = seat.take("logits").reshape(-1), seat.take("labels").reshape(-1)
    return _weighted(np.logaddexp(0, logits) - labels * logits, seat.get("weights"))


@opinion.register
def _squared_error(block: losses.SquaredError, seat: Seat) -> Parts:
    return _weighted(
        (seat.take("logits") - seat.take("labels").reshape(seat.take("logits").shape)) ** 2,
        seat.get("weights"),
    )


def _dice(p: Floats, g: Floats, w: Floats, smoothing: float) -> Parts:
    """Of probabilities, labels and weights ``[batch, places, classes]``, these with one class."""
    overlap = 2 * (w * p * g).sum(1) + smoothing
    each = 1 - (overlap / ((w * p).sum(1) + (w * g).sum(1) + smoothing)).mean(-1)
    return _weighted(each, w[..., 0].sum(1))


def _places(seat: Seat, batch: int, places: int) -> Floats:
    weights = seat.get("weights")
    return np.ones((batch, places, 1)) if weights is None else seat.take("weights").reshape(batch, places, 1)


@opinion.register
def _softmax_dice(block: losses.SoftmaxDice, seat: Seat) -> Parts:
    logits = seat.take("logits")
    logits = logits.reshape(len(logits), -1, logits.shape[-1])
    p = np.exp(logits - _log_sum(logits)[..., None])
    g = np.eye(logits.shape[-1])[seat.ids("labels").reshape(len(logits), -1)]
    return _dice(p, g, _places(seat, *p.shape[:2]), block.smoothing)


@opinion.register
def _sigmoid_dice(block: losses.SigmoidDice, seat: Seat) -> Parts:
    p = 1 / (1 + np.exp(-seat.take("logits")))
    p = p.reshape(len(p), -1, 1)
    g = seat.take("labels").reshape(p.shape)
    return _dice(p, g, _places(seat, *p.shape[:2]), block.smoothing)


@opinion.register
def _sum_losses(block: losses.SumLosses, seat: Seat) -> Array:
    factors = block.weights or (1.0,) * len(seat.given)
    return np.asarray(sum(factor * seat.take(port) for factor, port in zip(factors, seat.given, strict=True)))


@opinion.register
def _ctc_loss(block: CtcLoss, seat: Seat) -> Parts:
    logits, frame_ids = seat.take("logits"), seat.get("frame_ids")
    logs = logits - _log_sum(logits)[..., None]
    lengths = (
        np.full(len(logits), logits.shape[1])
        if frame_ids is None
        else (np.asarray(frame_ids, np.int64) > 0).sum(1)
    )
    each = [
        -_spoken(log[:length], [int(label) for label in labels if label != BLANK])
        for log, labels, length in zip(logs, seat.ids("labels"), lengths, strict=True)
    ]
    return _weighted(np.array(each), seat.get("weights"))


def _spoken(log: Floats, labels: list[int]) -> float:
    """The log of the probability of the labels, by the forward recursion (Graves et al., 2006, 4.1)."""
    states = [BLANK, *(state for label in labels for state in (label, BLANK))]
    reached = np.full(len(states), -np.inf)
    reached[0] = 0.0  # Before the first frame, as if a blank had been said: from it, a blank or a label.
    for number, said in enumerate(log):
        before = reached
        reached = np.full(len(states), -np.inf)
        for at, state in enumerate(states):
            sources = [before[at]] if number or at == 0 else []
            if at and (number or at == 1):
                sources.append(before[at - 1])
            if at > 1 and number and state not in (BLANK, states[at - 2]):
                sources.append(before[at - 2])
            reached[at] = said[state] + (np.logaddexp.reduce(sources) if sources else -np.inf)
    return float(np.logaddexp.reduce(reached[-2:]))
