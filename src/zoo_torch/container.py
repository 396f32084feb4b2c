"""The native container: a plain ``nn.Module`` whose forward is generated from the graph by ``torch.fx``.

It is not a ``GraphModule``: ``torch.export`` binds the keyword arguments of one by order and ignores their
names (torch 2.13), which is silently wrong once an optional input is left out.
"""

from __future__ import annotations

import linecache
import operator
import re
from collections.abc import Callable
from functools import cache

import torch
from torch import fx, nn

from zoo_spec.graph import Graph, Node, Ref
from zoo_spec.tensors import FLOAT
from zoo_torch.presence import cast, if_present, pick, present


class Model(nn.Module):
    """A compiled graph: ``model(**inputs)`` gives ``{output name: tensor}``.

    The children are the graph's nodes, so ``state_dict`` keys are the canonical names. Required inputs come
    first in the signature; an optional one may be left out, and an output that needs it is then absent.
    """

    code: str
    """The source of ``forward``."""

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self).__name__, self.code), self.__dict__


def assemble(graph: Graph, modules: dict[str, nn.Module], *, input_dtype: torch.dtype | None = None) -> Model:
    """The container of a graph whose nodes' modules are given by owner name.

    It casts float inputs to ``input_dtype``; None leaves them as they are.
    """
    model = _restore(graph.name, generate(graph, input_dtype))
    for name, module in modules.items():
        model.add_module(name, module)
    return model


def generate(graph: Graph, input_dtype: torch.dtype | None = None) -> str:
    """The source of a graph's forward."""
    traced = fx.Graph()
    values: dict[str, fx.Node] = {}
    for name in sorted(graph.inputs, key=lambda name: graph.inputs[name].optional):
        default = (None,) if graph.inputs[name].optional else ()
        values[name] = traced.create_node("placeholder", name, args=default)
    for name, spec in graph.inputs.items():
        if input_dtype is not None and spec.dtype == FLOAT:
            values[name] = traced.create_node("call_function", cast, (values[name], input_dtype), name=name)
    picked: dict[tuple[str, str], fx.Node] = {}

    def value(ref: Ref) -> fx.Node:
        node = graph.nodes.get(ref.source)
        if node is None or len(node.outputs) == 1:
            return values[ref.source]
        output = ref.output or next(iter(node.outputs))
        key = (ref.source, output)
        if key not in picked:
            function: Callable[..., object] = pick if node.conditional else operator.getitem
            picked[key] = traced.create_node(
                "call_function", function, (values[ref.source], output), name=f"{ref.source}_{output}"
            )
        return picked[key]

    for node in graph.nodes.values():
        values[node.name] = _call(traced, node, value)
    outputs = {name: value(ref) for name, ref in graph.output_refs.items()}
    optional = any(spec.optional for spec in graph.outputs.values())
    if optional:
        traced.output(traced.create_node("call_function", present, (outputs,), name="outputs"))
    else:
        traced.output(outputs)
    return _readable(traced.python_code("self").src)


def _readable(source: str) -> str:
    """fx's source without what it adds for memory's sake and without its long names for our functions."""
    lines = [re.sub(r";  (\w+ = )+None$", "", line) for line in source.strip().splitlines()]
    # A name that begins with an underscore is no node's and no input's, so it can clash with none.
    text = (
        "\n".join(lines).replace(f"{present.__module__.replace('.', '_')}_", "_").replace(" = None", "=None")
    )
    return f"{text}\n"


def _call(traced: fx.Graph, node: Node, value: Callable[[Ref], fx.Node]) -> fx.Node:
    args = tuple(value(node.inputs[port]) for port in node.required)
    kwargs = {port: value(ref) for port, ref in node.inputs.items() if port not in node.required}
    if not node.conditional:
        return traced.create_node("call_module", node.owner, args, kwargs, name=node.name)
    module = traced.create_node("get_attr", node.owner, name=f"{node.owner}_module")
    return traced.create_node("call_function", if_present, (module, *args), kwargs, name=node.name)


@cache
def _class(name: str, code: str) -> type[Model]:
    """A class with this forward; the same for the same source, so that copies are of one class."""
    file = f"<zoo {name} {abs(hash(code)):x}>"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    names = {
        "torch": torch,
        "device": torch.device,
        **{f"_{function.__name__}": function for function in (cast, if_present, pick, present)},
    }
    exec(compile(code, file, "exec"), names)
    return type(name, (Model,), {"forward": names["forward"], "code": code, "__module__": __name__})


def _restore(name: str, code: str) -> Model:
    model = _class(name, code).__new__(_class(name, code))
    nn.Module.__init__(model)
    model.eval()
    return model
