"""Third opinions on attention, embeddings and positions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Array
from zoo_common.parity.opinions.base import Floats, Seat, opinion
from zoo_spec.blocks import (
    attention,
    cross_attention,
    embeddings,
    linformer_attention,
    patch_embeddings,
    position,
)
from zoo_spec.blocks.convolutional_position import ConvolutionalPosition
from zoo_spec.blocks.embedding import Embedding
from zoo_spec.blocks.frame_embeddings import FrameEmbeddings
from zoo_spec.blocks.relative_attention import RelativeAttention
from zoo_spec.blocks.relative_position import RelativePositions, bucket_table
from zoo_spec.blocks.sinusoidal import SinusoidalPositions, sinusoids

Mask = NDArray[np.bool_]


def _split(x: Floats, heads: int) -> Floats:
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def _join(x: Floats) -> Floats:
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def _visible(ids: Array | None, length: int, causal: bool) -> Mask:
    places = np.arange(length)
    past = places[:, None] >= places[None, :] if causal else np.ones((length, length), np.bool_)
    return past if ids is None else (ids[:, None, :, None] == ids[:, None, None, :]) & past


def _attend(
    seat: Seat, q: Floats, k: Floats, v: Floats, mask: Mask | None, scale: float, bias: Floats | None = None
) -> Floats:
    scores = scale * (q @ k.transpose(0, 1, 3, 2))
    scores = scores if bias is None else scores + bias
    scores = scores if mask is None else np.where(mask, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights = seat.inner("dropout", weights / weights.sum(-1, keepdims=True))
    return weights @ v


@opinion.register
def _attention(block: attention.Attention, seat: Seat) -> Array:
    x = seat.take()
    mask = _visible(seat.get("example_ids"), x.shape[1], block.mask == "causal")
    if isinstance(block, attention.BandedAttention):
        places = np.arange(x.shape[1])
        mask = mask & (np.abs(places[:, None] - places[None, :]) < block.window)
    q, k, v = (_split(seat.inner(name, x), block.num_heads) for name in ("query", "key", "value"))
    if seat.holds("position"):
        q, k = (seat.inner("position", each, positions=seat.get("positions")) for each in (q, k))
    return seat.inner("project", _join(_attend(seat, q, k, v, mask, 1 / math.sqrt(q.shape[-1]))))


@opinion.register
def _relative_attention(block: RelativeAttention, seat: Seat) -> Array:
    x = seat.take()
    mask = _visible(seat.get("example_ids"), x.shape[1], block.mask == "causal")
    q, k, v = (_split(seat.inner(name, x), block.num_heads) for name in ("query", "key", "value"))
    return seat.inner("project", _join(_attend(seat, q, k, v, mask, 1.0, seat.take("position_bias"))))


@opinion.register(cross_attention.CrossAttention)
@opinion.register(cross_attention.UnscaledCrossAttention)
def _cross_attention(
    block: cross_attention.CrossAttention | cross_attention.UnscaledCrossAttention, seat: Seat
) -> Array:
    x, memory = seat.take(), seat.take("memory")
    q = _split(seat.inner("query", x), block.num_heads)
    k, v = (_split(seat.inner(name, memory), block.num_heads) for name in ("key", "value"))
    scale = 1 / math.sqrt(q.shape[-1]) if isinstance(block, cross_attention.CrossAttention) else 1.0
    given = [seat.get("example_ids"), seat.get("memory_example_ids")]
    own, read = (
        np.ones(tokens.shape[:2], np.int64) if ids is None else ids
        for ids, tokens in zip(given, (x, memory), strict=True)
    )
    same = own[:, None, :, None] == read[:, None, None, :]
    found = same.any(-1, keepdims=True)
    return seat.inner("project", _join(_attend(seat, q, k, v, same | ~found, scale) * found))


@opinion.register
def _projected_attention(block: linformer_attention.ProjectedAttention, seat: Seat) -> Array:
    x, ids = seat.take(), seat.get("example_ids")
    kept = np.ones(x.shape[:2]) if ids is None else np.asarray(np.asarray(ids, np.int64) > 0, np.float64)
    if "projection" in seat.given:
        e = f = seat.take("projection")
    elif seat.has("projection"):
        e = f = seat.weight("projection")
    else:
        e, f = seat.weight("key_projection"), seat.weight("value_projection")
    q = _split(seat.inner("query", x), block.num_heads)
    k, v = (
        matrix[..., : x.shape[1]] @ (_split(seat.inner(name, x), block.num_heads) * kept[:, None, :, None])
        for name, matrix in (("key", e), ("value", f))
    )
    return seat.inner("project", _join(_attend(seat, q, k, v, None, 1 / math.sqrt(q.shape[-1]))))


@opinion.register
def _embedding(block: Embedding, seat: Seat) -> dict[str, Array]:
    table = seat.weight("weight")
    return {"x": table[seat.ids("x")], "table": table}


@opinion.register
def _embeddings(block: embeddings.Embeddings, seat: Seat) -> dict[str, Array]:
    token = seat.inner_all("token", {"x": seat.ids("input_ids")})
    x = token["x"].astype(np.float64)
    for table, port in (("token_type", "token_type_ids"), ("task_type", "task_type_ids")):
        if seat.holds(table):
            ids = seat.get(port)
            x = x + seat.inner(table, np.zeros(x.shape[:2], np.int64) if ids is None else ids)
    if seat.holds("position"):
        x = seat.inner("position", x, positions=seat.get("positions"))
    x = seat.inner("norm", x) if seat.holds("norm") else x
    return {"x": seat.inner("dropout", x), "table": token["table"]}


@opinion.register
def _frame_embeddings(block: FrameEmbeddings, seat: Seat) -> Array:
    x = seat.inner("feature_dropout", seat.inner("projection", seat.inner("feature_norm", seat.take())))
    mask, ids = seat.get("frame_mask"), seat.get("frame_ids")
    if mask is not None:
        x = np.where(np.asarray(mask, np.int64)[:, :, None] > 0, seat.weight("mask_embedding"), x)
    if ids is not None:
        x = np.where(ids[:, :, None] == 0, 0.0, x)
    x = seat.inner("position", x)
    return seat.inner("dropout", seat.inner("norm", x) if seat.holds("norm") else x)


@opinion.register
def _patch_embeddings(block: patch_embeddings.PatchEmbeddings, seat: Seat) -> Array:
    patches = seat.inner("patch", seat.take())
    patches = patches.reshape(patches.shape[0], -1, patches.shape[-1])
    first = np.broadcast_to(seat.weight("class_token"), (len(patches), 1, patches.shape[-1]))
    return seat.inner("dropout", seat.inner("position", np.concatenate([first, patches], 1)))


def _rows(seat: Seat, table: Floats, length: int) -> Floats:
    positions = seat.get("positions")
    found: Floats = table[:length] if positions is None else table[np.asarray(positions, np.int64)]
    return found


@opinion.register
def _learned_positions(block: position.LearnedPositions, seat: Seat) -> Array:
    return seat.take() + _rows(seat, seat.weight("weight"), seat.take().shape[1])


@opinion.register
def _offset_positions(block: position.OffsetPositions, seat: Seat) -> Array:
    return seat.take() + _rows(seat, seat.weight("weight")[block.offset :], seat.take().shape[1])


@opinion.register
def _sinusoidal_positions(block: SinusoidalPositions, seat: Seat) -> Array:
    x = seat.take()
    table = sinusoids(block.size, x.shape[-1], block.layout, block.first, block.spacing)
    return x + _rows(seat, table, x.shape[1])


@opinion.register
def _interpolated_positions(block: patch_embeddings.InterpolatedPositions, seat: Seat) -> Array:
    table = seat.weight("weight")
    stretched = patch_embeddings.interpolation_matrix(block.learned_grid, block.grid) @ table[1:]
    return np.asarray(seat.take() + np.concatenate([table[:1], stretched]))


@opinion.register
def _rotary(block: position.Rotary, seat: Seat) -> Array:
    x = seat.take()
    dims = block.turned(x.shape[-1])
    angles = _rows(seat, position.rotary_angles(size=block.size, dims=dims, base=block.base), x.shape[2])
    angles = angles if angles.ndim == 2 else angles[:, None]
    turned = x[..., :dims]
    if block.style == "interleaved":
        pairs = turned[..., 0::2] + 1j * turned[..., 1::2]
    else:
        pairs = turned[..., : dims // 2] + 1j * turned[..., dims // 2 :]
    pairs = pairs * np.exp(1j * angles)
    if block.style == "interleaved":
        turned = np.stack([pairs.real, pairs.imag], -1).reshape(turned.shape)
    else:
        turned = np.concatenate([pairs.real, pairs.imag], -1)
    return np.concatenate([turned, x[..., dims:]], -1)


@opinion.register
def _relative_positions(block: RelativePositions, seat: Seat) -> Array:
    places = np.arange(seat.take().shape[1])
    far = block.max_distance
    distances = np.clip(places[None, :] - places[:, None], -far, far) + far
    table = bucket_table(block.num_buckets, far, bidirectional=block.mask == "bidirectional")
    return np.asarray(seat.weight("weight")[np.array(table)[distances]].transpose(2, 0, 1))


@opinion.register
def _convolutional_position(block: ConvolutionalPosition, seat: Seat) -> Array:
    x, direction = seat.take(), seat.weight("direction")
    kernel = seat.weight("gain") * direction / np.sqrt((direction**2).sum((0, 1), keepdims=True))
    before = block.size // 2
    padded = np.pad(x, [(0, 0), (before, block.size - 1 - before), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, block.size, 1)
    parts = zip(np.split(windows, block.groups, 2), np.split(kernel, block.groups, 0), strict=True)
    y = np.concatenate([np.einsum("btck,ock->bto", part, inside) for part, inside in parts], -1)
    return x + seat.inner("activation", y + seat.weight("bias"))
