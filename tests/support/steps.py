"""What a random stream goes through: any registered block that takes it, branches, and weights used twice."""

from __future__ import annotations

from dataclasses import replace

from composing import Composition, Stream
from drawn_blocks import Surroundings, drawable, drawn, fitting
from zoo_spec.blocks.base import Block
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.position import Position
from zoo_spec.blocks.relative_position import PositionBias
from zoo_spec.registry import classes

ATTENTION = ("attention", "biased_attention", "cross_attention")
MIXERS = (*ATTENTION, "layer")
ROLES = (*MIXERS, "activation", "feed_forward", "norm", "position")
"""What keeps the shape of a stream, and so may stand anywhere in one, as a node of its own."""
PLAIN = ("dense", "dropout", "scale", "unit_length")


def step(model: Composition, stream: Stream, *, mixes: bool = False) -> Stream:
    """A block of any kind that takes the stream and keeps its places; with ``mixes``, one that mixes these."""
    return through(model, model.choose(*steps(model, stream, mixes=mixes)), stream)


def through(model: Composition, kind: str, stream: Stream) -> Stream:
    """The stream through a block of this kind, with a position bias of its own if it needs one."""
    place = model.width(stream)
    if "position_bias" in classes(Block)[kind].required and "position_bias" not in stream.told:
        bias = model.node(model.draw(drawn(PositionBias, place)), stream.ref)
        stream = replace(stream, told={**stream.told, "position_bias": bias})
    fields = {"size": model.choose(12, 24)} if kind == "dense" else {}
    found = model.apply(model.draw(drawn(kind, place, **fields)), stream)
    if classes(Block)[kind].role in ATTENTION:
        # By itself it averages rows until they are almost alike, and what tells them apart is lost in rounding.
        return replace(found, ref=model.node({"kind": "add"}, (stream.ref, found.ref)))
    return found


def steps(model: Composition, stream: Stream, *, mixes: bool) -> list[str]:
    """The kinds that `step` chooses from; of a role that mixes places, where the stream has any."""
    spec, place = model.tensors[stream.ref], model.place
    rows = spec.rank == 3
    slots = {kind for cls in (Position, Norm) for kind in _kinds(cls, place)}

    def takes(kind: str, cls: type[Block]) -> bool:
        stacked = "num_layers" in cls.model_fields
        mixing = stacked or cls.role in MIXERS
        if not (stacked or cls.role in ROLES or kind in PLAIN) or (mixes and not mixing):
            return False
        if not set(cls.required) <= {"x", "position_bias", *stream.told} or not drawable(cls, place):
            return False
        return (rows or not (mixing or cls.role == "position")) and (
            cls.role not in ("position", "norm") or kind in slots
        )

    return [kind for kind, cls in classes(Block).items() if takes(kind, cls)]


def _kinds(role: type[Block], place: Surroundings) -> list[str]:
    return [cls.model_fields["kind"].default for cls in fitting(role, place)]


def join(model: Composition, streams: list[Stream]) -> Stream:
    """The last stream added to, or beside, an earlier one that fits; else through a step of its own."""
    last, *others = streams
    shape = model.tensors[last.ref].shape
    same = [other for other in others if model.tensors[other.ref].shape == shape and other.ref != last.ref]
    near = [other for other in others if model.tensors[other.ref].shape[:-1] == shape[:-1]]
    if same and model.maybe():
        return replace(last, ref=model.node({"kind": "add"}, (last.ref, model.choose(*same).ref)))
    if near:
        wide = model.node({"kind": "concatenate"}, (model.choose(*near).ref, last.ref))
        size = model.choose(12, 24)
        return replace(last, ref=model.node(model.draw(drawn("dense", model.place, size=size)), wide))
    return step(model, last)


def journey(model: Composition, stream: Stream, *, mixes: bool = False) -> Stream:
    """Some steps, with branches that join again, and perhaps one whose weights are used twice."""
    alive = [stream]
    for index in range(model.choose(1, 2, 3)):
        if index and model.choose(True, False, False):
            stream = join(model, alive[::-1])
        else:
            stream = step(model, stream, mixes=mixes and not index)
        alive.append(stream)
    node = model.nodes[stream.ref]
    again = "block" in node and isinstance(node["inputs"], dict) and model.maybe()
    if again and model.tensors[stream.ref].shape == model.tensors[node["inputs"]["x"]].shape:
        return model.apply(node["block"], stream, like=stream.ref)
    return stream
