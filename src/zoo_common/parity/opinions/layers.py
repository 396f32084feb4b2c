"""Third opinions on dense layers, activations, norms, feed-forwards and the layers around them."""

from __future__ import annotations

import math

import numpy as np

from zoo_common.backend import Array
from zoo_common.parity.opinions.base import Floats, Seat, opinion
from zoo_spec.blocks import (
    activation,
    decoder_layer,
    feed_forward,
    heads,
    layer,
    linformer_stack,
    norm,
    relative_layer,
    reshape,
    waveform_encoder,
)
from zoo_spec.blocks.cosine_head import CosineHead
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.gather import Gather
from zoo_spec.blocks.scale import Scale
from zoo_spec.blocks.tied_dense import TiedDense

_erf = np.vectorize(math.erf, otypes=[np.float64])


@opinion.register
def _dense(block: Dense, seat: Seat) -> Array:
    return _plus_bias(seat, seat.take() @ seat.weight("weight").T)


@opinion.register
def _tied_dense(block: TiedDense, seat: Seat) -> Array:
    return _plus_bias(seat, seat.take() @ seat.take("table").T)


def _plus_bias(seat: Seat, x: Floats) -> Floats:
    return x + seat.weight("bias") if seat.has("bias") else x


@opinion.register
def _dropout(block: Dropout, seat: Seat) -> Array:
    x = seat.take()
    kept = seat.party.kept(seat.path, x.shape, block.rate) if block.rate else None
    return x if kept is None else x * kept / (1 - block.rate)


@opinion.register
def _scale(block: Scale, seat: Seat) -> Array:
    return seat.take() * block.factor


@opinion.register
def _relu(block: activation.Relu, seat: Seat) -> Array:
    return np.maximum(seat.take(), 0)


@opinion.register
def _gelu_erf(block: activation.GeluErf, seat: Seat) -> Array:
    x = seat.take()
    return np.asarray(0.5 * x * (1 + _erf(x * math.sqrt(0.5))))


@opinion.register
def _gelu_tanh(block: activation.GeluTanh, seat: Seat) -> Array:
    x = seat.take()
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


@opinion.register
def _silu(block: activation.Silu, seat: Seat) -> Array:
    return np.asarray(seat.take() / (1 + np.exp(-seat.take())))


@opinion.register
def _tanh(block: activation.Tanh, seat: Seat) -> Array:
    return np.tanh(seat.take())


@opinion.register
def _sigmoid(block: activation.Sigmoid, seat: Seat) -> Array:
    return 1 / (1 + np.exp(-seat.take()))


@opinion.register
def _identity(block: activation.Identity, seat: Seat) -> Array:
    return seat.take()


@opinion.register
def _layer_norm(block: norm.LayerNorm, seat: Seat) -> Array:
    return _normal(seat, seat.take(), (-1,), block.epsilon)


@opinion.register
def _rms_norm(block: norm.RmsNorm, seat: Seat) -> Array:
    x = seat.take()
    return np.asarray(x / np.sqrt(np.mean(x * x, -1, keepdims=True) + block.epsilon) * seat.weight("weight"))


@opinion.register
def _time_norm(block: waveform_encoder.TimeNorm, seat: Seat) -> Array:
    return _normal(seat, seat.take(), (1,), block.epsilon)


@opinion.register
def _batch_norm(block: norm.BatchNorm, seat: Seat) -> Array:
    x = seat.take()
    if seat.is_training:
        return _normal(seat, x, tuple(range(x.ndim - 1)), block.epsilon)
    centred = x - seat.weight("running_mean")
    return _affine(seat, centred / np.sqrt(seat.weight("running_var") + block.epsilon))


def running(block: norm.BatchNorm, x: Array, mean: Array, variance: Array) -> dict[str, Array]:
    """A batch norm's statistics after a run in training on ``x``: the variance that is kept is unbiased."""
    wide = np.asarray(x, np.float64)
    axes = tuple(range(wide.ndim - 1))
    found = {"running_mean": wide.mean(axes), "running_var": wide.var(axes, ddof=1)}
    before = {"running_mean": mean, "running_var": variance}
    return {
        name: block.decay * np.asarray(before[name], np.float64) + (1 - block.decay) * value
        for name, value in found.items()
    }


@opinion.register
def _group_norm(block: norm.GroupNorm, seat: Seat) -> Array:
    return _grouped(seat, block.groups, block.epsilon)


@opinion.register
def _instance_norm(block: norm.InstanceNorm, seat: Seat) -> Array:
    return _grouped(seat, seat.take().shape[-1], block.epsilon)


def _grouped(seat: Seat, groups: int, epsilon: float) -> Floats:
    x = seat.take()
    parts = x.reshape(x.shape[0], -1, groups, x.shape[-1] // groups)
    return _affine(seat, _centred(parts, (1, 3), epsilon).reshape(x.shape))


def _normal(seat: Seat, x: Floats, axes: tuple[int, ...], epsilon: float) -> Floats:
    return _affine(seat, _centred(x, axes, epsilon))


def _centred(x: Floats, axes: tuple[int, ...], epsilon: float) -> Floats:
    centred: Floats = x - x.mean(axes, keepdims=True)
    found: Floats = centred / np.sqrt(np.mean(centred * centred, axes, keepdims=True) + epsilon)
    return found


def _affine(seat: Seat, x: Floats) -> Floats:
    return x * seat.weight("weight") + seat.weight("bias")


@opinion.register
def _feed_forward(block: feed_forward.FeedForward, seat: Seat) -> Array:
    inside = seat.inner("activation", seat.inner("inner", seat.take()))
    return seat.inner("outer", seat.inner("dropout", inside))


@opinion.register
def _gated_feed_forward(block: feed_forward.GatedFeedForward, seat: Seat) -> Array:
    inside = seat.inner("activation", seat.inner("gate", seat.take())) * seat.inner("inner", seat.take())
    return seat.inner("outer", seat.inner("dropout", inside))


_MIXED = ("projection", "position_bias", "example_ids", "positions")
_READ = ("example_ids", "memory_example_ids")


def _mix(seat: Seat, x: Floats) -> Floats:
    mixed = seat.inner("attention", x, **{port: seat.get(port) for port in _MIXED})
    return seat.inner("attention_dropout", mixed)


def _read(seat: Seat, x: Floats) -> Floats:
    others = {port: seat.get(port) for port in _READ}
    read = seat.inner("cross_attention", x, memory=seat.get("memory"), **others)
    return seat.inner("cross_attention_dropout", read)


def _feed(seat: Seat, x: Floats) -> Floats:
    return seat.inner("feed_forward_dropout", seat.inner("feed_forward", x))


@opinion.register
def _post_norm(block: layer.PostNormLayer, seat: Seat) -> Array:
    x = seat.inner("attention_norm", seat.take() + _mix(seat, seat.take()))
    return seat.inner("feed_forward_norm", x + _feed(seat, x))


@opinion.register(layer.PreNormLayer)
@opinion.register(relative_layer.RelativeLayer)
def _pre_norm(block: layer.PreNormLayer | relative_layer.RelativeLayer, seat: Seat) -> Array:
    x = seat.take()
    x = x + _mix(seat, seat.inner("attention_norm", x))
    return x + _feed(seat, seat.inner("feed_forward_norm", x))


@opinion.register
def _parallel(block: layer.ParallelLayer, seat: Seat) -> Array:
    normed = seat.inner("norm", seat.take())
    return seat.take() + _mix(seat, normed) + _feed(seat, normed)


@opinion.register
def _parallel_two_norm(block: layer.ParallelTwoNormLayer, seat: Seat) -> Array:
    x = seat.take()
    mixed = _mix(seat, seat.inner("attention_norm", x))
    return x + mixed + _feed(seat, seat.inner("feed_forward_norm", x))


@opinion.register
def _post_norm_decoder(block: decoder_layer.PostNormDecoderLayer, seat: Seat) -> Array:
    x = seat.inner("attention_norm", seat.take() + _mix(seat, seat.take()))
    x = seat.inner("cross_attention_norm", x + _read(seat, x))
    return seat.inner("feed_forward_norm", x + _feed(seat, x))


@opinion.register(decoder_layer.PreNormDecoderLayer)
@opinion.register(relative_layer.RelativeDecoderLayer)
def _pre_norm_decoder(
    block: decoder_layer.PreNormDecoderLayer | relative_layer.RelativeDecoderLayer, seat: Seat
) -> Array:
    x = seat.take()
    x = x + _mix(seat, seat.inner("attention_norm", x))
    x = x + _read(seat, seat.inner("cross_attention_norm", x))
    return x + _feed(seat, seat.inner("feed_forward_norm", x))


@opinion.register(layer.Stack)
@opinion.register(layer.PatternStack)
@opinion.register(decoder_layer.DecoderStack)
def _stack(block: layer.Stack | layer.PatternStack | decoder_layer.DecoderStack, seat: Seat) -> Array:
    return seat.layers(seat.take(), **{port: value for port, value in seat.given.items() if port != "x"})


@opinion.register
def _linformer_stack(block: linformer_stack.LinformerStack, seat: Seat) -> Array:
    others = {port: value for port, value in seat.given.items() if port != "x"}
    return seat.layers(seat.take(), projection=seat.weight("projection"), **others)


@opinion.register(relative_layer.RelativeStack)
@opinion.register(relative_layer.RelativeDecoderStack)
def _relative_stack(
    block: relative_layer.RelativeStack | relative_layer.RelativeDecoderStack, seat: Seat
) -> Array:
    others = {port: value for port, value in seat.given.items() if port != "x"}
    return seat.layers(seat.take(), position_bias=seat.inner("position", seat.take()), **others)


@opinion.register
def _gather(block: Gather, seat: Seat) -> Array:
    return _at(seat.take(), seat.ids("positions"))


def _at(x: Floats, positions: Array) -> Floats:
    return np.take_along_axis(x, np.asarray(positions, np.int64)[:, :, None], 1)


@opinion.register
def _masked_lm_head(block: heads.MaskedLmHead, seat: Seat) -> Array:
    x = seat.inner("dense", _at(seat.take(), seat.ids("masked_positions")))
    return seat.inner("decoder", seat.inner("norm", seat.inner("activation", x)), table=seat.take("table"))


@opinion.register
def _classifier_head(block: heads.ClassifierHead, seat: Seat) -> Array:
    return seat.inner("dense", seat.inner("dropout", seat.take()))


@opinion.register
def _score_head(block: heads.ScoreHead, seat: Seat) -> Array:
    return seat.inner("dense", seat.inner("dropout", seat.take()))[..., 0]


@opinion.register
def _span_head(block: heads.SpanHead, seat: Seat) -> dict[str, Array]:
    logits = seat.inner("dense", seat.take())
    return {"start_logits": logits[..., 0], "end_logits": logits[..., 1]}


@opinion.register
def _cosine_head(block: CosineHead, seat: Seat) -> Array:
    directions, codes = (
        vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-8)
        for vectors in (seat.inner("dense", seat.take()), seat.weight("codes"))
    )
    return np.asarray(directions @ codes.T / block.temperature)


@opinion.register
def _flatten(block: reshape.Flatten, seat: Seat) -> Array:
    return seat.take().reshape(seat.take().shape[0], -1)


@opinion.register
def _concatenate(block: reshape.Concatenate, seat: Seat) -> Array:
    return np.concatenate([seat.take(port) for port in seat.given], -1)


@opinion.register
def _add(block: reshape.Add, seat: Seat) -> Array:
    return np.asarray(np.sum([seat.take(port) for port in seat.given], 0))
