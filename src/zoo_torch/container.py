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
from torch import Tensor, fx, nn

from zoo_spec.graph import Graph, Node, Ref
from zoo_spec.tensors import FLOAT
from zoo_torch.blocks.embedding import Embedding
from zoo_torch.modes import notice_untold_training
from zoo_torch.precision import HALF, Applied, dtype_asked_for
from zoo_torch.presence import cast, if_present, pick, present


class Model(nn.Module):
    """A compiled graph: ``model(**inputs)`` gives ``{output name: tensor}``.

    The children are the graph's nodes, so ``state_dict`` keys are the canonical names. Required inputs come
    first in the signature; an optional one may be left out, and an output that needs it is then absent.
    """

    code: str
    """The source of ``forward``."""
    _input_dtype: torch.dtype | None = None
    _was_trained = False

    # What the source calls beside its nodes. All that is generated begins with an underscore, as no name of a node
    # or an input can: a name that a user may write, too, would run another's weights in silence.
    _if_present = staticmethod(if_present)
    _pick = staticmethod(pick)

    def _cast(self, value: Tensor | None) -> Tensor | None:
        return cast(value, self._input_dtype)

    def _present(self, outputs: dict[str, Tensor | None]) -> dict[str, Tensor]:
        found = present(outputs)
        if not self._was_trained and not torch.compiler.is_compiling() and torch.is_grad_enabled():
            notice_untold_training(self, found)
        return found

    def train(self, mode: bool = True) -> Model:
        """As of any module; until it is called, a model is in evaluation mode."""
        self._was_trained = self._was_trained or mode
        return super().train(mode)

    def _apply(self, applied: Applied, recurse: bool = True) -> Model:
        """As of any module; where a user asks for another dtype, it is what the model computes in from then on."""
        dtype = dtype_asked_for(applied)
        super()._apply(applied, recurse)
        if dtype is not None:
            compute_in(self, dtype if dtype in HALF else None)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self).__name__, self.code), self.__dict__


def assemble(graph: Graph, modules: dict[str, nn.Module]) -> Model:
    """The container of a graph whose nodes' modules are given by owner name."""
    model = _restore(graph.name, generate(graph))
    for name, module in modules.items():
        model.add_module(name, module)
    return model


def compute_in(model: Model, dtype: torch.dtype | None) -> None:
    """Have it compute in a half-width dtype; None: in that of its weights."""
    model._input_dtype = dtype
    for module in model.modules():
        if isinstance(module, Embedding):
            module.compute_dtype = dtype


def generate(graph: Graph) -> str:
    """The source of a graph's forward."""
    traced = fx.Graph()
    values: dict[str, fx.Node] = {}
    for name in sorted(graph.inputs, key=lambda name: graph.inputs[name].optional):
        default = (None,) if graph.inputs[name].optional else ()
        values[name] = traced.create_node("placeholder", name, args=default)
    for name, spec in graph.inputs.items():
        if spec.dtype == FLOAT:
            values[name] = traced.create_node("call_module", "_cast", (values[name],), name=f"_{name}")
    picked: dict[tuple[str, str], fx.Node] = {}

    def value(ref: Ref) -> fx.Node:
        node = graph.nodes.get(ref.source)
        if node is None or len(node.outputs) == 1:
            return values[ref.source]
        output = ref.output or next(iter(node.outputs))
        key = (ref.source, output)
        if key not in picked:
            given, where = (values[ref.source], output), f"_{ref.source}_{output}"
            if node.conditional:
                picked[key] = traced.create_node("call_module", "_pick", given, name=where)
            else:
                picked[key] = traced.create_node("call_function", operator.getitem, given, name=where)
        return picked[key]

    for node in graph.nodes.values():
        values[node.name] = _call(traced, node, value)
    outputs = {name: value(ref) for name, ref in graph.output_refs.items()}
    traced.output(traced.create_node("call_module", "_present", (outputs,), name="_outputs"))
    return _readable(traced.python_code("self").src)


def _readable(source: str) -> str:
    """fx's source without what it adds for memory's sake."""
    lines = [re.sub(r";  (\w+ = )+None$", "", line) for line in source.strip().splitlines()]
    return "\n".join(lines).replace(" = None", "=None") + "\n"


def _call(traced: fx.Graph, node: Node, value: Callable[[Ref], fx.Node]) -> fx.Node:
    args = tuple(value(node.inputs[port]) for port in node.required)
    kwargs = {port: value(ref) for port, ref in node.inputs.items() if port not in node.required}
    if not node.conditional:
        return traced.create_node("call_module", node.owner, args, kwargs, name=node.name)
    module = traced.create_node("get_attr", node.owner, name=f"_{node.owner}")
    return traced.create_node("call_module", "_if_present", (module, *args), kwargs, name=node.name)


@cache
def _class(name: str, code: str) -> type[Model]:
    """A class with this forward; the same for the same source, so that copies are of one class."""
    file = f"<zoo {name} {abs(hash(code)):x}>"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    names: dict[str, Callable[..., object]] = {}
    exec(compile(code, file, "exec"), names)
    return type(name, (Model,), {"forward": names["forward"], "code": code, "__module__": __name__})


def _restore(name: str, code: str) -> Model:
    model = _class(name, code).__new__(_class(name, code))
    nn.Module.__init__(model)
    model.eval()
    return model
