"""What a drawing shows inside a block: the layers of a stack, the halves of a layer; and a block's settings."""

from __future__ import annotations

from zoo_common.report.svg.scene import Box, Scene, Wire
from zoo_spec.blocks.base import Block, Inputs
from zoo_spec.blocks.decoder_layer import DecoderStack, PostNormDecoderLayer, PreNormDecoderLayer
from zoo_spec.blocks.layer import (
    Layer,
    ParallelLayer,
    ParallelTwoNormLayer,
    PatternStack,
    PostNormLayer,
    PreNormLayer,
    Stack,
)
from zoo_spec.blocks.relative_layer import (
    RelativeDecoderLayer,
    RelativeDecoderStack,
    RelativeLayer,
    RelativeStack,
)
from zoo_spec.blocks.stacked import runs

_LONGEST = 46
_UNSAID = {"kind", "initializer"}


def inside_of(block: Block, inputs: Inputs) -> Scene | None:
    """The scene inside, for blocks whose wiring is known here; None for any other."""
    if isinstance(block, Stack | DecoderStack):
        return _stack(block, inputs)
    if isinstance(block, RelativeStack | RelativeDecoderStack):
        return _relative_stack(block, inputs)
    if isinstance(block, PostNormLayer | PostNormDecoderLayer):
        return _layer(block, inputs, norm_first=False)
    if isinstance(block, PreNormLayer | PreNormDecoderLayer | RelativeLayer | RelativeDecoderLayer):
        return _layer(block, inputs, norm_first=True)
    if isinstance(block, PatternStack):
        return _pattern_stack(block, inputs)
    if isinstance(block, ParallelLayer | ParallelTwoNormLayer):
        return _parallel_layer(block, inputs)
    return None


def _stack(block: Stack | DecoderStack, inputs: Inputs) -> Scene:
    scene = Scene()
    scene.boxes["layers"] = _layers(block.layer, block.num_layers, inputs)
    if block.norm is not None:
        scene.boxes["norm"] = _part("norm", block.norm, {"x": inputs["x"]})
        scene.chain("layers", "norm")
    return scene


def _relative_stack(block: RelativeStack | RelativeDecoderStack, inputs: Inputs) -> Scene:
    """The bias is held once, and every layer reads it."""
    scene = Scene()
    children = block.children(inputs)
    scene.boxes["position"] = _part("position", *children["position"])
    scene.boxes["layers"] = _layers(block.layer, block.num_layers, children["layers.0"][1])
    scene.boxes["norm"] = _part("norm", *children["norm"])
    scene.wires.append(Wire("position", "layers", port="position_bias", label="position_bias"))
    scene.chain("layers", "norm")
    return scene


def _pattern_stack(block: PatternStack, inputs: Inputs) -> Scene:
    """A pile for each place of the pattern, of the layers that stand there."""
    scene = Scene()
    period = len(block.pattern)
    for index, layer in enumerate(block.pattern[: block.num_layers]):
        count = len(range(index, block.num_layers, period))
        turn = f"layers {index}, {index + period}, …" if count > 1 else f"layer {index}"
        scene.boxes[f"layers.{index}"] = _layers(layer, count, inputs, turn)
    if block.norm is not None:
        scene.boxes["norm"] = _part("norm", block.norm, {"x": inputs["x"]})
    scene.chain(*scene.boxes)
    return scene


def _layers(layer: Block, number: int, inputs: Inputs, *more: str) -> Box:
    kind, count = layer.kind, parameters_of(layer, inputs)
    each = f"{count:,} parameters" + (" each" if number > 1 else "")
    title = f"{kind} × {number}" if number > 1 else kind
    return Box(title, "frame", (each, *more), count=number, inside=inside_of(layer, inputs))


def _layer(block: Block, inputs: Inputs, *, norm_first: bool) -> Scene:
    """Vaswani et al. (2017), 3.1, and Xiong et al. (2020), figure 1b: a norm behind or before each part."""
    scene = Scene()
    children = block.children(inputs)
    parts = [name for name in ("attention", "cross_attention", "feed_forward") if name in children]
    scene.boxes["x"] = Box("x", "port")
    read = {name: [port for port in children[name][1] if port != "x"] for name in parts}
    for name in parts:
        dashed = children[name][0].optional
        scene.boxes.update({port: Box(port, "port", dashed=port in dashed) for port in read[name]})
    x, end = "x", ""
    for part in parts:
        names = [part, f"{part}_dropout"] if getattr(block, "dropout", 0.0) else [part]
        norm, added = f"{part}_norm", f"{part} sum"
        for name in [*names, norm]:
            scene.boxes[name] = _part(name, *children[name])
        scene.boxes[added] = Box("+", "sum")
        scene.chain(x, *([norm] if norm_first else []), *names, added)
        scene.wires.append(Wire(x, added, port="residual"))
        scene.wires += [
            Wire(port, part, port=port, label=port, dashed=scene.boxes[port].dashed) for port in read[part]
        ]
        end = added
        if not norm_first:
            scene.chain(added, norm)
            end = norm
        x = end
    scene.boxes["end"] = Box("x", "port")
    scene.chain(end, "end")
    return scene


def _parallel_layer(block: Layer, inputs: Inputs) -> Scene:
    """Both halves read the layer's input, through one norm or a norm each, and are added to it."""
    scene = Scene()
    children = block.children(inputs)
    optional = [port for port in block.attention.optional if port in inputs]
    scene.boxes["x"] = Box("x", "port")
    scene.boxes.update({port: Box(port, "port", dashed=True) for port in optional})
    for half in ("attention", "feed_forward"):
        norm = "norm" if isinstance(block, ParallelLayer) else f"{half}_norm"
        names = [norm, half, f"{half}_dropout"] if block.dropout else [norm, half]
        scene.boxes.update({name: _part(name, *children[name]) for name in names})
        scene.chain(*names, "sum")
    scene.boxes["sum"] = Box("+", "sum")
    scene.wires += [
        Wire("x", name, port="x")
        for name in scene.boxes
        if name in ("norm", "attention_norm", "feed_forward_norm")
    ]
    scene.wires.append(Wire("x", "sum", port="residual"))
    scene.wires += [Wire(port, "attention", port=port, label=port, dashed=True) for port in optional]
    scene.boxes["end"] = Box("x", "port")
    scene.chain("sum", "end")
    return scene


def _part(name: str, block: Block, inputs: Inputs) -> Box:
    """A block inside another, whose output has its input's shape."""
    count = parameters_of(block, inputs)
    lines = [" · ".join([block.kind, *settings_of(block)])]
    lines += [f"{count:,} parameters"] if count else []
    return Box(name, "weights" if count else "block", tuple(lines))


def parameters_of(block: Block, inputs: Inputs) -> int:
    """Trainable values of a block and all inside it."""
    own = sum(parameter.size for parameter in block.parameters(inputs).values() if parameter.trainable)
    return own + sum(run.count * parameters_of(run.block, run.inputs) for run in runs(block.children(inputs)))


def settings_of(block: Block) -> list[str]:
    """A block's own choices, ``num_heads 12``: those that have no default, or another value than it."""
    found: list[str] = []
    for name, info in type(block).model_fields.items():
        value = getattr(block, name)
        if name in _UNSAID or isinstance(value, Block) or (not info.is_required() and value == info.default):
            continue
        text = _value(value)
        if text and sum(map(len, found)) + len(name) + len(text) <= _LONGEST:
            found.append(text if isinstance(value, str) else f"{name} {text}")
    return found


def _value(value: object) -> str:
    """A number, a name, or sizes joined by ×; nothing for what takes more room."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, tuple) and all(isinstance(each, int) for each in value):
        return "×".join(map(str, value))
    return value if isinstance(value, str) else ""
