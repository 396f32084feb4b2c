"""Which shipped specs are different once their sizes are cut down: the others would be tested twice."""

from __future__ import annotations

import json
from collections.abc import Hashable
from functools import cache

from zoo_common.parity.coverage import further_inputs
from zoo_common.parity.probes import probe_rows
from zoo_spec import list_specs, load_spec
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.experiment import ExperimentSpec, Json
from zoo_spec.shrink import shrunk

# How long a run is, and how much it reads at once: no small run depends on these.
LENGTHS = ("steps", "batch_size", "micro_batch_size", "save_every", "evaluate_every", "log_every")

THREE_CONVOLUTIONS = tuple(
    f"model.waveform_encoder.{field}={value}"
    for field, value in (("channels", [12, 20, 12]), ("sizes", [20, 8, 6]), ("strides", [10, 8, 4]))
)
"""Of sounds, in the place of seven; they step over as many samples, so that all sizes stay."""

SMALLER = {
    "causal_lm": (
        "model.bounds.sequence=32",
        *(f"model.nodes.embeddings.block.{size}" for size in ("rows=60", "size=24", "position.size=32")),
        *(
            f"model.nodes.decoder.block.layer.{size}"
            for size in ("attention.num_heads=2", "feed_forward.size=32")
        ),
    ),
    "rotary_bert": ("model.position.dims=4", "model.feed_forward.size=24"),
    "two_towers": (
        "model.inputs.image.shape=[batch,14,14,3]",
        "model.nodes.patches.block.channels=8",
        *(f"model.nodes.{node}.block.size=16" for node in ("image_vector", "embeddings", "hidden")),
        "model.nodes.embeddings.block.rows=60",
        *(
            f"model.nodes.text.block.layer.{size}"
            for size in ("attention.num_heads=2", "feed_forward.size=24")
        ),
    ),
    "u_text_encoder": (
        "model.bounds.sequence=32",
        *(f"model.nodes.embeddings.block.{size}" for size in ("rows=60", "size=24", "position.size=32")),
        *(
            f"model.nodes.{node}.block.layer.attention.num_heads=2"
            for node in ("down_128", "down_64", "middle")
        ),
        *(
            f"model.nodes.{node}.block.layer.feed_forward.size=20"
            for node in ("down_128", "down_64", "middle")
        ),
        *(f"model.nodes.{node}_64.block.size=16" for node in ("narrow", "wide")),
        "model.nodes.narrow_32.block.size=8",
        "model.nodes.wide_128.block.size=24",
    ),
    "hubert_base_units": ("task.units=24", "task.code_size=20", *THREE_CONVOLUTIONS),
    "hubert_large_ctc": THREE_CONVOLUTIONS,
    **dict.fromkeys(
        ("unet_classic", "unet_inria", "unet_tiny", "unet_tiny_residual"), ("model.filters=[32,64]",)
    ),
}
"""Of specs that parity trains: smaller sizes of what states its own, and so has none of a family's; fewer levels of a
UNet, and fewer convolutions over sound. All of its parts stay."""


@cache
def representatives() -> dict[str, str]:
    """For each shipped spec the first that gives the same numbers at the small size."""
    return _by(lambda values: _without(values, LENGTHS))


@cache
def structures() -> tuple[str, ...]:
    """One shipped spec of each wiring: the same kinds of blocks, tasks and optimizers, whatever their numbers."""
    return tuple(sorted(set(_by(_structure).values())))


@cache
def covering() -> tuple[str, ...]:
    """Of ``structures`` as many as have whatever any of them has: each time the one with most that is left.

    One of which others came to have all that it has is left out again.
    """
    found = {name: parts(small(name)) for name in structures()}
    everything = set().union(*found.values())
    left, chosen = everything, []
    while left:
        best = max(found, key=lambda name: len(left & found[name]))
        left = left - found[best]
        chosen.append(best)
    for name in tuple(chosen):
        others = [other for other in chosen if other != name]
        chosen = others if set().union(*(found[other] for other in others)) == everything else chosen
    return tuple(sorted(chosen))


@cache
def deep() -> frozenset[str]:
    """Of ``covering`` those to train with all their layers: the others are none the poorer with one.

    They have every part with one layer too, and several layers of their kind are in one of these.
    """
    repeated = {name: several(small(name)) for name in covering()}
    whole = [name for name in covering() if _is_whole_with_one_layer(name)]
    anyhow = set().union(*(several(small(name, *one_layer(name))) for name in whole))
    thick = set(covering())
    for name in sorted(whole, key=lambda name: -len(list(small(name).graph().places()))):
        if repeated[name] <= anyhow.union(*(repeated[other] for other in thick - {name})):
            thick.remove(name)
    return frozenset(thick)


@cache
def small(name: str, *overrides: str) -> ExperimentSpec:
    """A shipped spec at the small size."""
    return shrunk(load_spec(name, overrides))


@cache
def trained(name: str) -> ExperimentSpec:
    """The spec of ``covering`` at the small size, or less, with one layer unless it is ``deep``."""
    return small(name, *SMALLER.get(name, ()), *(() if name in deep() else one_layer(name)))


@cache
def effort(name: str) -> float:
    """What training it in parity takes, beside others: each block runs on each probe, and little else counts."""
    graph = trained(name).graph()
    return len(list(graph.places())) * (len(probe_rows(graph)) + len(_further_inputs(name)))


@cache
def _further_inputs(name: str) -> tuple[frozenset[str], ...]:
    """Which inputs each of the probes beyond whole, padded and packed rows gives."""
    return tuple(frozenset(batch) for batch in further_inputs(trained(name).graph(), 1).values())


def one_layer(name: str) -> list[str]:
    """What makes a model one of a layer, or of one in its encoder and its decoder; nothing where no field says it."""
    model = load_spec(name).model
    fields = type(model).model_fields
    stacks = [node for node, each in getattr(model, "nodes", {}).items() if hasattr(each.block, "num_layers")]
    return [
        *(f"model.{field}=1" for field in ("num_layers", "num_decoder_layers") if field in fields),
        *(f"model.nodes.{node}.block.num_layers=1" for node in stacks),
    ]


def _is_whole_with_one_layer(name: str) -> bool:
    thin = one_layer(name)
    return bool(thin) and parts(small(name, *thin)) == parts(small(name))


def several(spec: ExperimentSpec) -> set[tuple[str, ...]]:
    """Each kind of stack that has a second layer, with the kind of layer and of the attention in it."""
    kinds = {place.path: type(place.block).__name__ for place in spec.graph().places()}
    found = set()
    for path, kind in kinds.items():
        stack, second, index = path.rpartition(".layers.")
        if second and index == "1":
            inner = (
                kinds[other]
                for other in sorted(kinds)
                if other.startswith(f"{path}.") and other.endswith("attention")
            )
            found.add((kinds[stack], kind, *inner))
    return found


def parts(spec: ExperimentSpec) -> set[tuple[str, ...]]:
    """Each kind of block in each other and with each set of inputs, and the task and ways to train."""
    places = {place.path: place for place in spec.graph().places()}
    kinds = {path: type(place.block).__name__ for path, place in places.items()}
    found = {(kinds[path], "takes", *sorted(place.inputs)) for path, place in places.items()}
    for path, kind in kinds.items():
        around = max((other for other in kinds if path.startswith(f"{other}.")), key=len, default="")
        found.add((kind, "in", kinds.get(around, "graph")))
    training = spec.training
    ways = (spec.task.kind, training.optimizer.kind, training.precision, f"recompute {training.recompute}")
    return found | {(way,) for way in ways}


def turned(name: str) -> set[tuple[Hashable, ...]]:
    """What the probes beyond whole, padded and packed rows show of a spec that is trained: each kind of block.

    With the inputs that one of them leaves out, and whether it says of itself where it computes otherwise.
    """
    graph = trained(name).graph()
    absent = set(graph.inputs) - frozenset.intersection(*_further_inputs(name))
    found: set[tuple[Hashable, ...]] = set()
    for place in graph.places():
        kind = type(place.block).__name__
        found |= {(kind,), (kind, "beyond", bool(place.block.thresholds(place.inputs)))}
        for port, ref in graph.nodes[place.path.partition(".")[0]].inputs.items():
            if ref.source in absent and port in place.inputs:
                found.add((kind, "without", port))
    return found


def in_training(spec: ExperimentSpec) -> set[tuple[Hashable, ...]]:
    """What real training steps do that a gradient has not shown, and where in a model they do it.

    What drops elements and where, what is recomputed as a layer, each kind of parameter (as its update and its place
    in a state depend on), the losses that micro-batches share out, and the ways to train.
    """
    graph, training = spec.graph(), spec.training
    kinds = {place.path: type(place.block).__name__ for place in graph.places()}
    found: set[tuple[Hashable, ...]] = {
        ("optimizer", training.optimizer.kind),
        ("precision", training.precision),
        ("recompute", training.recompute),
        ("micro-batches", training.micro_batch_size is not None),
    }
    for place in graph.places():
        path, last = place.path, place.path.rpartition(".")[2]
        around = max((other for other in kinds if path.startswith(f"{other}.")), key=len, default="")
        if isinstance(place.block, Dropout) and place.block.rate:
            found.add(("drops", kinds.get(around, "graph"), last if around else ""))
        if last.isdigit():
            found.add(("layer", kinds[path], kinds.get(around, "graph")))
    for name, each in graph.parameters().items():
        found.add(("parameter", name.rpartition(".")[2], len(each.shape), each.role, each.trainable))
    for part in graph.loss_parts:
        found.add(("loss", type(graph.nodes[part.node].block).__name__, part.weights is not None))
    for node in graph.nodes.values():
        if node.owner != node.name:
            found.add(("used again", type(node.block).__name__))
    return found


def _by(reduced) -> dict[str, str]:
    first: dict[str, str] = {}
    found = {}
    for name in list_specs():
        resolved = small(name).resolved()
        values = [resolved["model"], resolved["task"], resolved["training"]]
        found[name] = first.setdefault(json.dumps(reduced(values), sort_keys=True), name)
    return found


def _structure(values: list[Json]) -> Json:
    model, task, training = values
    optimizer = training["optimizer"]["kind"]
    return [_kinds(model), _kinds(task), optimizer, training["precision"], training["recompute"]]


def _kinds(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _kinds(item) for key, item in value.items() if key != "initializer"}
    if isinstance(value, list):
        return [_kinds(item) for item in value]
    return None if isinstance(value, int | float) and not isinstance(value, bool) else value


def _without(value: Json, ignored: tuple[str, ...]) -> Json:
    if isinstance(value, dict):
        return {key: _without(item, ignored) for key, item in value.items() if key not in ignored}
    return [_without(item, ignored) for item in value] if isinstance(value, list) else value
