"""What random streams end in: heads, and the losses whose own shape rules let them stand there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from composing import Composition, Stream
from drawn_blocks import drawn
from steps import step
from zoo_spec.blocks.base import Block, ShapeError
from zoo_spec.blocks.losses import Loss
from zoo_spec.registry import classes
from zoo_spec.tensors import Dimension, TensorSpec, Windows

POOLERS = (
    "first_token",
    "last_token",
    "pooler",
    "mean_pooling",
    "square_root_pooling",
    "weighted_mean_pooling",
    "max_pooling",
)

Labels = tuple[tuple[Dimension, ...], str]
"""Shape and dtype."""


def fitting_losses(logits: TensorSpec, *, whole: bool) -> Iterator[tuple[str, Labels]]:
    """Each loss that takes these logits, and labels that it takes; ``whole``: each example has one label."""
    batch = logits.shape[:1]
    one = [(logits.shape[:-1], "int32"), (logits.shape, "int32"), (logits.shape, "float32"), (batch, "int32")]
    in_turn = [] if whole or not _is_long(logits) else [((*batch, 2), "int32")]
    for kind, cls in classes(Loss).items():
        if not set(cls.required) <= {"logits", "labels"} or cls.variadic:
            continue
        if whole and "example_ids" in cls.optional:
            continue  # It is over a row's positions, and a packed row's vectors have none.
        for shape, dtype in in_turn if "frame_ids" in cls.optional else one:
            with suppress(ShapeError, ValueError):
                block = cls.model_validate({"kind": kind})
                block.infer({"logits": logits, "labels": TensorSpec(shape, dtype)})
                if not any(isinstance(size, Windows) for size in shape):
                    yield kind, (shape, dtype)


def _is_long(logits: TensorSpec) -> bool:
    """Whether there are places for two labels, and blanks between them, whatever is padding."""
    if logits.rank != 3:
        return False
    length = logits.shape[1]
    return length >= 8 if isinstance(length, int) else length != "predictions"


def lose(model: Composition, head: str, stream: Stream, *, output: str = "", whole: bool = False) -> None:
    """A loss that takes the head's logits, its labels, and perhaps weights."""
    logits = f"{head}.{output}" if output else head
    found = dict.fromkeys(fitting_losses(model.tensors[logits], whole=whole))
    kind, (shape, dtype) = model.choose(*found)
    number = len(model.losses)
    wires = {"logits": logits, "labels": model.input(f"labels_{number}", *shape, dtype=dtype, label=True)}
    cls = classes(Loss)[kind]
    if model.maybe():
        weighted = shape[:1] if kind == "ctc_loss" else shape
        wires["weights"] = model.input(f"weights_{number}", *weighted, dtype="float32", label=True)
    examples = stream.told.get("example_ids")
    for port in set(cls.optional) & {"example_ids", "frame_ids"}:
        fits = examples is not None and model.tensors[examples].shape == model.tensors[logits].shape[:2]
        if fits:
            wires[port] = examples
    block = model.nodes[head]["block"]
    if block["kind"] == "score_head" and kind not in (
        "sigmoid_cross_entropy",
        "sigmoid_dice",
        "squared_error",
    ):
        block["bias"] = False  # A softmax over places would ignore it.
    model.logits[f"logits_{number}"] = logits
    model.losses.append(model.node(model.draw(drawn(kind, model.place)), wires))


def score(model: Composition, stream: Stream, *, whole: bool = False) -> None:
    """A head on every place, and its loss."""
    spec, place = model.tensors[stream.ref], model.width(stream)
    kinds = ["classifier_head", "cosine_head", "score_head"]
    table = stream.told.get("table")
    if table is not None and model.tensors[table].shape[1] == spec.width:
        kinds.append("tied_dense")
    if spec.rank == 3 and "sequence" in str(spec.shape[1]):
        kinds.append("span_head")
    kind = model.choose(*kinds)
    if kind in ("score_head", "span_head"):
        stream = model.activated(stream)
    if kind == "tied_dense":
        head = model.node(model.draw(drawn(kind, place)), {"x": stream.ref, "table": table})
    else:
        fields = {"classes": model.choose(4, 5), "units": model.choose(4, 5), "size": 7}
        known = {name: value for name, value in fields.items() if name in classes(Block)[kind].model_fields}
        head = model.node(model.draw(drawn(kind, place, **known)), stream.ref)
    if kind == "span_head":
        lose(model, head, stream, output="start_logits", whole=whole)
        lose(model, head, stream, output="end_logits", whole=whole)
    else:
        lose(model, head, stream, whole=whole)


def masked(model: Composition, stream: Stream) -> None:
    """Heads on picked positions alone."""
    picked = model.input("masked_positions", "batch", "predictions")
    table = stream.told.get("table")
    if (
        table is not None
        and model.tensors[table].shape[1] == model.tensors[stream.ref].width
        and model.maybe()
    ):
        block = model.draw(drawn("masked_lm_head", model.width(stream)))
        wires = {"x": stream.ref, "table": table, "masked_positions": picked}
        lose(model, model.node(block, wires), stream)
    else:
        gathered = model.node({"kind": "gather"}, {"x": stream.ref, "positions": picked})
        told = {"table": table} if table else {}
        score(model, Stream(gathered, told))


def pooled(model: Composition, stream: Stream, *, packed: bool = False) -> Stream:
    """One vector for a row, or, of packed rows, for each example."""
    block = model.draw(drawn(model.choose(*POOLERS), model.width(stream)))
    told = dict(stream.told)
    if packed:
        told["pooled_positions"] = model.input("pooled_positions", "batch", "examples", optional=True)
    return Stream(model.apply(block, replace(stream, told=told)).ref)


def flat(model: Composition, stream: Stream) -> Stream:
    """All places of a row as one vector."""
    wide = model.node({"kind": "flatten"}, stream.ref)
    return Stream(model.node(model.draw(drawn("dense", model.place, size=model.place.width)), wide))


def finish(model: Composition, stream: Stream, *, packed: bool = False) -> None:
    """One head or two on a stream of a text's or a decoder's tokens."""
    ends = model.choose(("score",), ("masked",), ("pooled",), ("score", "pooled"), ("masked", "pooled"))
    for end in ends:
        if end == "pooled":
            by_example = packed and model.maybe() and len(ends) == 1
            vector = pooled(model, stream, packed=by_example)
            vector = step(model, vector) if model.maybe() else vector
            score(model, vector, whole=by_example)
        elif end == "masked":
            masked(model, stream)
        else:
            score(model, stream)
