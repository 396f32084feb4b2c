"""What random streams start with: tokens, an image's patches or pixels, the frames of a waveform."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from hypothesis import strategies as st

from composing import Composition, Stream
from drawn_blocks import Mapping, drawn
from steps import join, step
from zoo_spec.blocks.activation import Activation
from zoo_spec.blocks.base import Block
from zoo_spec.blocks.norm import ChannelNorm, Norm
from zoo_spec.blocks.position import Position
from zoo_spec.registry import classes
from zoo_spec.tensors import Dimension, Windows


def tokens(model: Composition, *, of: str = "", packed: bool, padded: bool, length: Dimension) -> Stream:
    """Embedded tokens; ``of`` is what the names of the inputs begin with."""
    prefix = f"{of}_" if of else ""
    ids = model.input(f"{prefix}input_ids", "batch", length)
    told = {}
    if padded:
        told["example_ids"] = model.input(f"{prefix}example_ids", "batch", length, optional=True)
    if packed:
        told["positions"] = model.input(f"{prefix}positions", "batch", length, optional=True)
    kinds = [kind for kind, cls in classes(Block).items() if cls.required == ("input_ids",)]
    kind = model.choose(*kinds, "embedding")
    block = model.draw(drawn(kind, model.place, size=model.place.width))
    if kind == "embedding":
        node = model.node(block, ids)
        return Stream(node, {**told, "table": f"{node}.table"})
    types = ["token_type_ids"] if block.get("type_rows") else []
    types += ["task_type_ids"] if "task_type_rows" in block else []
    wires = {
        name: model.input(f"{prefix}{name}", "batch", length, optional=True)
        for name in types
        if model.maybe()
    }
    wires |= {"positions": told["positions"]} if packed else {}
    node = model.node(block, {"input_ids": ids, **wires})
    return Stream(node, {**told, "table": f"{node}.table"})


def patches(model: Composition) -> Stream:
    """An image's patches behind a class token."""
    patch, rows, columns = model.choose(2, 3), model.choose(2, 3), model.choose(2, 3)
    image = model.input("image", "batch", patch * rows, patch * columns, model.choose(1, 3), dtype="float")
    model.place = replace(model.place, length=max(model.place.length, 1 + rows * columns))
    place = replace(model.place, grid=(rows, columns))
    fields = {
        "size": place.width,
        "patch_size": patch,
        "position": model.draw(st.none() | drawn(Position, place)),
    }
    block = model.draw(drawn("patch_embeddings", place, **fields))
    return Stream(model.node(block, image))


def pixels(model: Composition) -> Stream:
    """An image through convolutions and whatever else keeps its places."""
    sizes = model.choose(6, 7, 9), model.choose(6, 8)
    stream = Stream(model.input("image", "batch", *sizes, model.choose(1, 3), dtype="float"))
    alive: list[Stream] = []
    for _ in range(model.choose(2, 3, 4)):
        stream = _image_step(model, stream, alive)
        alive.append(stream)
    return stream


def _image_step(model: Composition, stream: Stream, alive: list[Stream]) -> Stream:
    spec = model.tensors[stream.ref]
    height, width = int(spec.shape[1]), int(spec.shape[2])
    kinds = ["conv2d", "conv2d", "join", "step"]
    kinds += ["transposed_conv2d"] if height * width <= 64 else []
    kinds += ["max_pool2d"] if min(height, width) >= 4 else []
    kind = model.choose(*kinds) if alive else "conv2d"
    if kind == "step":
        return step(model, stream)
    if kind == "join":
        return join(model, [stream, *alive])
    if kind == "max_pool2d":
        size = model.choose(1, 2), model.choose(1, 2)
        return model.apply(model.draw(drawn(kind, model.place, size=size)), stream)
    fields: Mapping = {"channels": model.choose(4, 6)}
    if kind == "conv2d":
        pads = tuple((model.choose(0, 1, 2), model.choose(0, 1, 2)) for _ in range(2))
        room = [size + sum(pad) for size, pad in zip((height, width), pads, strict=True)]
        fields |= {"padding": pads, "size": tuple(model.choose(*range(1, min(3, most) + 1)) for most in room)}
    return normed(model, kind, stream, **fields)


def normed(model: Composition, kind: str, stream: Stream, **fields: Any) -> Stream:
    """A convolution, and perhaps a norm over places, which wipes out a bias before it, and an activation after."""
    block = model.draw(drawn(kind, model.place, **fields))
    over_places = model.maybe() and _combines(model, block, stream)
    if over_places:
        block["bias"] = False
        stream = _curved(model, stream)
    stream = model.apply(block, stream)
    spec = model.tensors[stream.ref]
    if not over_places or all(size in range(1, 6) for size in spec.shape[1:-1]):
        return stream
    over_time = spec.rank == 3 and model.maybe()
    place = replace(model.width(stream), over_time=over_time)
    stream = model.apply(model.draw(drawn(Norm if over_time else ChannelNorm, place)), stream)
    return model.activated(stream)


def _curved(model: Composition, stream: Stream) -> Stream:
    """The stream through an activation, unless it is an input: a bias further up would be wiped out too."""
    return stream if stream.ref in model.inputs else model.activated(stream)


def _combines(model: Composition, convolution: Mapping, stream: Stream) -> bool:
    """Whether a kernel has several values; of one alone, a norm over places takes its size, and leaves the sign."""
    size = convolution.get("size", (2, 2))
    return model.tensors[stream.ref].width * (size if isinstance(size, int) else prod(size)) > 1


def waveform(model: Composition) -> Stream:
    """Frames of a waveform, or of a signal of several channels, told which of them are padding."""
    fixed = model.maybe()
    samples: Dimension = 90 if fixed else "samples"
    model.bounds["samples"] = 90
    told, frame = {}, Windows("frames", "samples", 1, 1)
    if model.maybe():
        raw = model.input("waveform", "batch", samples, dtype="float")
        layers = model.choose(1, 2, 3)
        sizes = tuple(model.choose(2, 3, 4) for _ in range(layers))
        strides = tuple(model.choose(1, 2) for _ in range(layers))
        place = replace(model.place, over_time=model.maybe())
        kinds = [kind for kind in sorted(classes(Activation)) if kind != "identity" or not place.over_time]
        fields: Mapping = {"channels": (place.width,) * layers, "sizes": sizes, "strides": strides}
        fields |= {"bias": model.maybe() and not place.over_time, "activation": model.choose(*kinds)}
        fields |= {"first_norm": model.draw(st.none() | drawn(Norm, place))}
        stream = Stream(model.apply(model.draw(drawn("waveform_encoder", place, **fields)), Stream(raw)).ref)
        for size, stride in zip(sizes, strides, strict=True):
            frame = frame.windows(size, stride)
    else:
        stream = Stream(model.input("signal", "batch", samples, model.choose(1, 3), dtype="float"))
    for _ in range(model.choose(1, 2) if frame.size == 1 else model.choose(0, 1)):
        stream, convolution = _along_time(model, stream)
        frame = frame.windows(convolution["size"], convolution.get("stride", 1))
    frames = frame.fitting(90)
    model.place = replace(model.place, length=max(model.place.length, frames))
    if model.maybe():
        ids = model.input("sample_ids", "batch", samples, optional=True)
        block = {"kind": "frame_ids", "size": frame.size, "stride": frame.stride}
        told["frame_ids"] = told["example_ids"] = model.node(block, {"sample_ids": ids, "x": stream.ref})
    stream = replace(stream, told=told)
    # Nothing would move the vector of hidden frames if none could be hidden.
    if fixed and model.maybe():
        told["frame_mask"] = model.input("frame_mask", "batch", frames, optional=False)
        feature_norm = model.draw(drawn(Norm, model.place.of_width(model.tensors[stream.ref].width)))
        block = drawn("frame_embeddings", model.place, size=model.place.width, feature_norm=feature_norm)
        stream = model.apply(model.draw(block), stream)
    return stream


def _along_time(model: Composition, stream: Stream) -> tuple[Stream, Mapping]:
    """Through a convolution along time, alone or in a layer; and the convolution."""
    if model.maybe():
        stream = normed(model, "conv1d", stream)
        return stream, next(
            node["block"] for node in reversed(model.nodes.values()) if node["block"]["kind"] == "conv1d"
        )
    convolution = model.draw(drawn("conv1d", model.place))
    over_time = model.maybe() and _combines(model, convolution, stream)
    if over_time:
        convolution["bias"] = False
        stream = _curved(model, stream)
    place = replace(model.place, over_time=over_time)
    layer = model.draw(drawn("waveform_layer", place, convolution=convolution, activation="silu"))
    return model.apply(layer, stream), convolution
