"""What a drawing shows inside a block: the layers of a stack, the halves of a layer; and a block's settings."""

from __future__ import annotations

from zoo_common.report.svg_scene import Box, Scene, Wire
from zoo_spec.blocks.base import Block, Inputs
from zoo_spec.blocks.layer import Layer, PostNormLayer, PreNormLayer, Stack

_LONGEST = 46
_UNSAID = {"kind", "initializer"}


def inside_of(block: Block, inputs: Inputs) -> Scene | None:
    """The scene inside, for blocks whose wiring is known here; None for any other."""
    if isinstance(block, Stack):
        return _stack(block, inputs)
    if isinstance(block, PostNormLayer | PreNormLayer):
        return _layer(block, inputs)
    return None


def _stack(block: Stack, inputs: Inputs) -> Scene:
    scene = Scene()
    inner = inside_of(block.layer, inputs)
    kind, count = _kind(block.layer), parameters_of(block.layer, inputs)
    each = f"{count:,} parameters" + (" each" if block.num_layers > 1 else "")
    title = f"{kind} × {block.num_layers}" if block.num_layers > 1 else kind
    scene.boxes["layers"] = Box(title, "frame", (each,), count=block.num_layers, inside=inner)
    if block.norm is not None:
        scene.boxes["norm"] = _part("norm", block.norm, {"x": inputs["x"]})
        scene.chain("layers", "norm")
    return scene


def _layer(block: Layer, inputs: Inputs) -> Scene:
    """Vaswani et al. (2017), 3.1, and Xiong et al. (2020), figure 1b: a norm behind or before each half."""
    scene = Scene()
    children = block.children(inputs)
    optional = [port for port in block.attention.optional if port in inputs]
    scene.boxes["x"] = Box("x", "port")
    scene.boxes.update({port: Box(port, "port", dashed=True) for port in optional})
    x, end = "x", ""
    for half in ("attention", "feed_forward"):
        names = [half, f"{half}_dropout"] if block.dropout else [half]
        norm, added = f"{half}_norm", f"{half} sum"
        parts = [norm, *names] if isinstance(block, PreNormLayer) else names
        for name in [*names, norm]:
            scene.boxes[name] = _part(name, *children[name])
        scene.boxes[added] = Box("+", "sum")
        scene.chain(x, *parts, added)
        scene.wires.append(Wire(x, added, port="residual"))
        end = added
        if isinstance(block, PostNormLayer):
            scene.chain(added, norm)
            end = norm
        x = end
    scene.wires += [Wire(port, "attention", port=port, label=port, dashed=True) for port in optional]
    scene.boxes["end"] = Box("x", "port")
    scene.chain(end, "end")
    return scene


def _part(name: str, block: Block, inputs: Inputs) -> Box:
    """A block inside another, whose output has its input's shape."""
    count = parameters_of(block, inputs)
    lines = [" · ".join([_kind(block), *settings_of(block)])]
    lines += [f"{count:,} parameters"] if count else []
    return Box(name, "weights" if count else "block", tuple(lines))


def parameters_of(block: Block, inputs: Inputs) -> int:
    """Trainable values of a block and all inside it."""
    own = sum(parameter.size for parameter in block.parameters(inputs).values() if parameter.trainable)
    return own + sum(parameters_of(child, read) for child, read in block.children(inputs).values())


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


def _kind(block: Block) -> str:
    return str(getattr(block, "kind", block.role))
