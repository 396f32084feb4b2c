"""The terms of a graph's loss: training adds them up itself, from their numerators and denominators."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from zoo_spec.blocks.losses import Loss, SumLosses
from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph.wiring import LossPart, Node, Ref

PART_OUTPUTS = ("loss", "numerator", "denominator")
"""What each part gives, as ``<part>_loss`` and so on; the first is what a loss is by itself."""


def loss_parts(
    inputs: Collection[str], nodes: Mapping[str, Node], output_refs: Mapping[str, Ref]
) -> tuple[LossPart, ...]:
    """The terms of the output ``loss``; none if there is no such output."""
    terms = _terms(nodes, output_refs)
    return tuple(_part(inputs, nodes[ref.source], factor) for ref, factor in terms if ref.source in nodes)


def check_losses(inputs: Collection[str], nodes: Mapping[str, Node], output_refs: Mapping[str, Ref]) -> None:
    """Raise SpecError unless every term is a loss of its own, and its outputs stand under its own name."""
    for ref, _ in _terms(nodes, output_refs):
        reason = _why_no_loss(ref, nodes.get(ref.source))
        if reason:
            message = f"the loss must come from loss blocks, or a sum_losses of them; {str(ref)!r} {reason}"
            raise SpecError(Problem(message, "model.outputs.loss"))
    seen: dict[str, str] = {}
    for part in loss_parts(inputs, nodes, output_refs):
        if part.name in seen:
            _refuse_twice(part, seen[part.name])
        seen[part.name] = part.node
        for which in PART_OUTPUTS:
            name, wanted = f"{part.name}_{which}", Ref(part.node, which)
            if output_refs.get(name) not in (wanted, Ref(part.node) if which == "loss" else wanted):
                message = f"output {name!r} must be '{wanted}', for that is what a part of the loss is called"
                raise SpecError(Problem(message, f"model.outputs.{name}"))


def inputs_needed(inputs: Collection[str], nodes: Mapping[str, Node], parts: Iterable[LossPart]) -> set[str]:
    """The inputs without any of which there is no loss: labels, and what its logits are made of."""
    waiting, seen = [part.node for part in parts], set[str]()
    while waiting:
        source = waiting.pop()
        if source not in seen:
            seen.add(source)
            node = nodes.get(source)
            waiting += [] if node is None else [node.inputs[port].source for port in node.required]
    return seen & set(inputs)


def _terms(nodes: Mapping[str, Node], output_refs: Mapping[str, Ref]) -> list[tuple[Ref, float]]:
    """What the output ``loss`` is the sum of, each with its factor."""
    ref = output_refs.get("loss")
    if ref is None:
        return []
    node = nodes.get(ref.source)
    if node is None or not isinstance(node.block, SumLosses):
        return [(ref, 1.0)]
    factors = node.block.weights or (1.0,) * len(node.inputs)
    return list(zip(node.inputs.values(), factors, strict=True))


def _part(inputs: Collection[str], node: Node, factor: float) -> LossPart:
    def source(port: str) -> str | None:
        ref = node.inputs.get(port)
        return ref.source if ref is not None and ref.source in inputs else None

    name = node.name.removesuffix("_loss") or node.name
    return LossPart(name, node.name, factor, source("weights"), source("labels"))


def _why_no_loss(ref: Ref, node: Node | None) -> str:
    if node is None:
        return "is an input"
    if not isinstance(node.block, Loss) or isinstance(node.block, SumLosses):
        return f"is a {node.block.kind}"
    return "" if ref.output in (None, PART_OUTPUTS[0]) else f"is a part of one; take {ref.source!r}"


def _refuse_twice(part: LossPart, other: str) -> None:
    if other == part.node:
        message = f"the sum takes {other!r} twice; take it once, with a weight"
    else:
        message = f"the losses {other!r} and {part.node!r} would both be called {part.name!r}; rename one"
    raise SpecError(Problem(message, f"model.nodes.{part.node}"))
