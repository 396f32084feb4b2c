"""What a random architecture is put together in: nodes and inputs as a spec file writes them, and their shapes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import yaml
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from drawn_blocks import Mapping, Surroundings
from zoo_spec.blocks.activation import Activation
from zoo_spec.blocks.base import Block
from zoo_spec.registry import classes
from zoo_spec.tensors import Dimension, TensorSpec, Windows

LONGEST = 12
"""Of a sequence of open length."""


@dataclass(frozen=True)
class Stream:
    """A tensor on its way: where it comes from, and what other ports of the blocks that take it are told."""

    ref: str
    told: dict[str, str] = field(default_factory=dict)


@dataclass
class Composition:
    """The parts of a model of kind graph, put together node by node."""

    draw: DrawFn
    place: Surroundings
    inputs: dict[str, Mapping] = field(default_factory=dict)
    nodes: dict[str, Mapping] = field(default_factory=dict)
    bounds: dict[str, int] = field(default_factory=dict)
    tensors: dict[str, TensorSpec] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)
    logits: dict[str, str] = field(default_factory=dict)

    def choose(self, *values: Any) -> Any:
        return self.draw(st.sampled_from(values))

    def maybe(self) -> bool:
        return self.draw(st.booleans())

    def input(self, name: str, *shape: Dimension, dtype: str = "int32", **flags: bool) -> str:
        # An open dimension that follows from another cannot be said in a file; no input is asked to have one.
        assert not any(isinstance(size, Windows) for size in shape)
        self.inputs[name] = {"shape": shape, "dtype": dtype, **flags}
        self.tensors[name] = TensorSpec(shape, dtype, any(flags.values()))
        return name

    def node(self, block: Mapping, inputs: Any, *, like: str | None = None) -> str:
        """Add a node; ``inputs`` as a file writes them."""
        name = f"{block['kind']}_{len(self.nodes)}"
        read = Block.model_validate(block)
        ports = list(read.ports()) if not read.variadic else [str(index) for index in range(len(inputs))]
        wires = inputs if isinstance(inputs, dict) else dict(zip(ports, _listed(inputs), strict=False))
        found = read.infer({port: self.tensors[ref] for port, ref in wires.items()})
        self.nodes[name] = {"inputs": inputs} | ({"like": like} if like else {"block": block})
        self.tensors[name] = next(iter(found.values()))
        self.tensors.update({f"{name}.{output}": spec for output, spec in found.items()})
        return name

    def apply(self, block: Mapping, stream: Stream, *, like: str | None = None) -> Stream:
        """The stream through a block, whose ports are told what the stream brings."""
        cls = classes(Block)[block["kind"]]
        told = {port: stream.told[port] for port in cls.ports() if port in stream.told}
        return replace(stream, ref=self.node(block, {cls.ports()[0]: stream.ref, **told}, like=like))

    def width(self, stream: Stream) -> Surroundings:
        return self.place.of_width(self.tensors[stream.ref].width)

    def activated(self, stream: Stream) -> Stream:
        """Through an activation that is not linear, so that no norm or softmax wipes out a bias before it."""
        kinds = [kind for kind in sorted(classes(Activation)) if kind != "identity"]
        return self.apply({"kind": self.choose(*kinds)}, stream)

    def spec(self) -> Mapping:
        """The mapping of the whole spec file."""
        if len(self.losses) > 1 or self.maybe():
            weights = self.choose(None, tuple(self.choose(0.5, 1.0, 2.0) for _ in self.losses))
            loss = self.node({"kind": "sum_losses", "weights": weights}, tuple(self.losses))
        else:
            loss = self.losses[0]
        outputs = {**self.logits, "loss": loss}
        read = self._read(outputs)
        nodes = {name: node for name, node in self.nodes.items() if name in read}
        inputs = {name: given for name, given in self.inputs.items() if name in read}
        open_ = {size for given in inputs.values() for size in given["shape"]}
        return {
            "name": "composition",
            "model": {
                "kind": "graph",
                "bounds": {name: size for name, size in self.bounds.items() if name in open_},
                "inputs": inputs,
                "nodes": nodes,
                "outputs": outputs,
            },
            "data": {"kind": "generated", "sequence_length": LONGEST},
            "training": {
                "batch_size": 4,
                "steps": 20,
                "optimizer": self.choose(*OPTIMIZERS),
                "schedule": {"kind": self.choose("constant", "linear", "cosine")},
            },
        }

    def _read(self, outputs: Mapping) -> set[str]:
        """Nodes and inputs that an output follows from."""
        waiting, found = list(outputs.values()), set()
        while waiting:
            name = waiting.pop().partition(".")[0]
            found.add(name)
            node = self.nodes.get(name, {"inputs": ()})
            waiting += [ref for ref in _listed(node["inputs"]) if ref not in found]
        return found


def _listed(inputs: Any) -> list[str]:
    if isinstance(inputs, str):
        return [inputs]
    return list(inputs.values() if isinstance(inputs, dict) else inputs)


OPTIMIZERS = (
    {"kind": "adamw", "learning_rate": 1e-3, "epsilon": 1e-6},
    {"kind": "sgd", "learning_rate": 1e-2, "momentum": 0.9, "nesterov": False},
    {"kind": "sgd", "learning_rate": 1e-2, "momentum": 0.9, "nesterov": True},
)


class _Plain(yaml.SafeDumper):
    """YAML without anchors, which spec files refuse."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Plain.add_representer(tuple, lambda dumper, values: dumper.represent_list(values))


def as_yaml(spec: Mapping) -> str:
    """The spec as a file."""
    return yaml.dump(spec, Dumper=_Plain, sort_keys=False, width=110)
