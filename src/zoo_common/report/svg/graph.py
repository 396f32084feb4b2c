"""A graph of blocks as a scene to draw: what each box says, and what stands inside the repeated ones."""

from __future__ import annotations

from collections.abc import Iterable

from zoo_common.report.svg.fold import folded
from zoo_common.report.svg.inside import inside_of, parameters_of, settings_of
from zoo_common.report.svg.scene import Box, Look, Scene, Wire
from zoo_spec.blocks.base import Block
from zoo_spec.blocks.losses import Loss
from zoo_spec.graph import Graph
from zoo_spec.graph.wiring import Node
from zoo_spec.tensors import TensorSpec

INPUTS, MODEL, OUTPUTS, LOSS, LOSS_OUTPUTS = range(5)
"""The stages of a drawing, from the top."""


def scene_of(graph: Graph) -> Scene:
    """Inputs, nodes and outputs; what needs labels, and the losses, below the rest."""
    losses = _loss_nodes(graph)
    scene = Scene(band=LOSS if losses else None)
    for name, spec in graph.inputs.items():
        is_label = name in graph.labels
        scene.boxes[name] = Box(
            name,
            "loss" if is_label else "input",
            (_tensor(spec),),
            LOSS if is_label else INPUTS,
            dashed=spec.optional and not is_label,
        )
    for node in graph.nodes.values():
        scene.boxes[node.name] = _node_box(graph, node, LOSS if node.name in losses else MODEL)
        scene.wires += _wires(graph, node, with_dashes=node.name not in losses)
    _add_outputs(graph, losses, scene)
    return folded(scene, graph)


def _loss_nodes(graph: Graph) -> set[str]:
    """Nodes that need a label or compute a loss, and all that needs those."""
    found: set[str] = set()
    for node in graph.nodes.values():
        sources = {ref.source for ref in node.inputs.values()}
        if isinstance(node.block, Loss) or sources & (found | graph.labels):
            found.add(node.name)
    return found


def _node_box(graph: Graph, node: Node, stage: int) -> Box:
    kind = node.block.kind
    lines = [" · ".join([kind, *settings_of(node.block)])]
    inside = inside_of(node.block, node.specs)
    if inside is None:
        parts = [name for name, (block, _) in node.block.children(node.specs).items() if _does(block)]
        lines += _wrapped(parts) if len(parts) > 1 else []
    used = _used_outputs(graph, node.name)
    for output in [name for name in node.outputs if name in used] or list(node.outputs)[:1]:
        named = f"{output} " if len(used) > 1 and stage == MODEL else ""
        if stage == MODEL or node.outputs[output].shape:
            lines.append(f"→ {named}{_tensor(node.outputs[output])}")
    count = parameters_of(node.block, node.specs)
    if count:
        shared = f"weights of {node.owner}" if node.owner != node.name else f"{count:,} parameters"
        lines.append(shared)
    look: Look = (
        "loss" if stage == LOSS else "frame" if inside is not None else "weights" if count else "block"
    )
    return Box(node.name, look, tuple(lines), stage, inside=inside)


def _wires(graph: Graph, node: Node, *, with_dashes: bool) -> Iterable[Wire]:
    labelled = len(node.inputs) > 1 and not node.block.variadic
    for port, ref in node.inputs.items():
        output = ref.output or _first_output(graph, ref.source)
        yield Wire(
            ref.source,
            node.name,
            output,
            port,
            label=port if labelled else "",
            output_label=output if len(_used_outputs(graph, ref.source)) > 1 else "",
            dashed=with_dashes and ref.source in graph.inputs and graph.inputs[ref.source].optional,
        )


def _add_outputs(graph: Graph, losses: set[str], scene: Scene) -> None:
    """A box for all outputs of the graph that come from the same output of a node, or from the same loss."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, ref in graph.output_refs.items():
        output = ref.output or _first_output(graph, ref.source)
        # A loss's numerator and denominator stand with it.
        output = _first_output(graph, ref.source) if ref.source in losses else output
        found.setdefault((ref.source, output), []).append(name)
    for (source, output), names in found.items():
        key = f"{source} {output}"
        of_loss = source in losses
        names.sort(key=lambda name: name != "loss")
        stage = LOSS_OUTPUTS if of_loss else OUTPUTS
        rest = tuple(f"{name}{',' if name != names[-1] else ''}" for name in names[1:])
        scene.boxes[key] = Box(names[0], "output", rest, stage)
        label = output if not of_loss and len(_used_outputs(graph, source)) > 1 else ""
        scene.wires.append(Wire(source, key, output, output_label=label))


def _used_outputs(graph: Graph, source: str) -> set[str]:
    refs = [
        *graph.output_refs.values(),
        *(ref for node in graph.nodes.values() for ref in node.inputs.values()),
    ]
    return {ref.output or _first_output(graph, source) for ref in refs if ref.source == source}


def _first_output(graph: Graph, source: str) -> str:
    return "" if source in graph.inputs else next(iter(graph.nodes[source].outputs))


def _tensor(spec: TensorSpec) -> str:
    return f"{spec} {spec.dtype}" if spec.dtype == "int32" else str(spec)


def _does(block: Block) -> bool:
    return getattr(block, "rate", None) != 0


def _wrapped(names: list[str], width: int = 44) -> list[str]:
    """Names as lines of about this many letters."""
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + len(name) < width:
            lines[-1] += f", {name}"
        else:
            lines = [*lines[:-1], f"{lines[-1]},"] if lines else []
            lines.append(name)
    return lines
