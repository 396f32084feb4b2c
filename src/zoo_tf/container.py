"""The graph's native container in Keras: a functional `keras.Model` whose optional inputs may be left out.

An absent input travels through the graph as None: a block with a required input that is None gives None
(`zoo_tf.blocks.base`), and an output that is None is left out of the dictionary. All of that is decided
while Python runs, so a `tf.function` holds only the nodes that have something to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from zoo_spec.errors import InputError
from zoo_tf.blocks.base import declaring, legal_name_scope
from zoo_tf.blocks.product import Product
from zoo_tf.strategy_loss import share_of_loss

_OF_EXAMPLES = ("example_ids", "positions", "pooled_positions")
"""Inputs of which one is given wherever a row has several examples, and so several labels of one kind."""

# A source is an input's or a node's name, or a node's name with the key of one of its outputs.
Source = str | tuple[str, str]


class GraphInput(NamedTuple):
    """An input of the model; `shape` has the batch dimension, and None for every open one."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    optional: bool = False


class GraphNode(NamedTuple):
    """A layer applied to required inputs by position and to optional ones by keyword.

    `outputs` are the tensors that it gives, as the layer itself gives them, if that is known without a trace.
    """

    name: str
    layer: keras.layers.Layer
    sources: Sequence[Source]
    keyword_sources: Mapping[str, Source] = {}
    outputs: keras.KerasTensor | dict[str, keras.KerasTensor] | None = None


@keras.saving.register_keras_serializable(package="zoo")
class GraphModel(keras.Model):
    """A functional model, called on `{input name: value}`, that gives `{output name: tensor}`.

    Made as `GraphModel(inputs=dict, outputs=dict, name=...)`. It has no `__init__` of its own: that is what
    lets Keras treat the subclass as a functional model and save it as one.
    """

    @tf.autograph.experimental.do_not_convert
    def __call__(self, inputs: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Runs the model; optional inputs may be missing or None, and so are then the outputs they lead to.

        Integers of any width are cast to the input's own; NumPy arrays serve as well as tensors.

        Raises:
            InputError: an unknown or a missing name, a wrong rank, size or kind of number.
        """
        inputs = self._complete(inputs)
        if any(isinstance(value, keras.KerasTensor) for value in inputs.values()):
            # Inside a user's functional model, which knows these outputs by position and calls again with
            # the keywords given now: the list keeps positions when the user's own optional input is absent.
            kwargs.setdefault("outputs", self._reached_outputs(inputs))
        return super().__call__(inputs, **kwargs)

    def call(
        self,
        inputs: dict[str, Any],
        training: bool | None = None,
        mask: Any = None,
        outputs: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """The graph's outputs without the absent ones, or exactly `outputs`, with None for the absent.

        Logits that are spared are absent.
        """
        values = super().call(inputs, training=training, mask=mask)
        if outputs is not None:
            return {name: values[name] for name in outputs}
        return {name: value for name, value in values.items() if not isinstance(value, Product | None)}

    def compute_output_spec(
        self,
        inputs: Mapping[str, Any],
        training: bool | None = None,
        mask: Any = None,
        outputs: Sequence[str] | None = None,
    ) -> dict[str, keras.KerasTensor]:
        """Shapes and dtypes of the outputs that these inputs lead to, by tracing `call` itself.

        Keras' functional form would answer with all the outputs, and skips each layer's casts.
        """
        return keras.Operation.compute_output_spec(
            self, self._complete(inputs), training=training, outputs=outputs
        )

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The model's own output `loss`, unless `compile` was given another loss.

        Under a `tf.distribute.Strategy` it is that of the batch of all replicas, as Keras expects it of each.
        """
        if not self._has_own_loss():
            return super().compute_loss(x, y, y_pred, sample_weight, training=training)
        if y is not None or sample_weight is not None:
            raise InputError(
                f"model {self.name!r} computes its own loss, and would ignore the separate targets or sample "
                f"weights: put them into the dictionary of inputs ({self._signature()}), or give "
                "compile() a loss"
            )
        if "loss" not in y_pred:
            given = [name for name, value in x.items() if value is not None]
            raise InputError(
                f"model {self.name!r} gave no 'loss', because inputs that it needs were left out; "
                f"given: {', '.join(given)}; the model takes {self._signature()}"
            )
        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            own = y_pred["loss"]
        else:
            own = share_of_loss(self.output["loss"], y_pred)
        return sum((self._aggregate_additional_loss(loss) for loss in self.losses), start=own)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Keras' own; InputError for weights and metrics that it would leave out beside the model's own loss."""
        self._refuse_what_needs_targets(kwargs)
        return super().fit(*args, **kwargs)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Keras' own; InputError as of `fit`."""
        self._refuse_what_needs_targets(kwargs)
        return super().train_on_batch(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Keras' own; InputError for weights and metrics that it would leave out beside the model's own loss."""
        self._refuse_what_needs_targets(kwargs)
        return super().evaluate(*args, **kwargs)

    def predict_step(self, data: Any) -> dict[str, Any]:
        """One batch's outputs, without the scalars (a loss), which `predict` could not join over batches."""
        return {name: value for name, value in super().predict_step(data).items() if value.shape.rank != 0}

    def quantize(self, mode: Any = None, **kwargs: Any) -> None:
        """InputError: Keras would pass over all the blocks, and say that it had quantized the model."""
        raise InputError(f"model {self.name!r} is of blocks that have no quantized form; leave it as it is")

    def _has_own_loss(self) -> bool:
        return getattr(self, "_compile_loss", None) is None and "loss" in self.output

    def _refuse_what_needs_targets(self, given: Mapping[str, Any]) -> None:
        """InputError for weights and metrics, unless `compile` was given a loss."""
        if not self.compiled or not self._has_own_loss():
            return
        options = {name: given.get(name) for name in ("sample_weight", "class_weight")}
        for name in ("loss_weights", "metrics", "weighted_metrics"):
            options[name] = self._compile_config.config[name]
        ignored = [name for name, value in options.items() if value is not None]
        if ignored:
            raise InputError(
                f"model {self.name!r} computes its own loss, and Keras would ignore {', '.join(ignored)} beside it: "
                f"put weights into the dictionary of inputs ({self._signature()}) or the spec, measure what "
                "predict() gives, or give compile() a loss"
            )

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Keras' own, on a replica's batch: Keras takes the mean over replicas, which makes integers float64."""
        if iterator is not None and self._distribute_strategy is not None:
            local = self._distribute_strategy.experimental_local_results
            for _, _, batches in iterator:
                data_batch = keras.tree.map_structure(lambda value: local(value)[0], next(batches))
                break
            iterator = None
        super()._maybe_symbolic_build(iterator, data_batch)

    def _run_through_graph(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Keras' own; inputs that a clone is made on are as optional as the model's, which Keras forgets."""
        named = inputs if isinstance(inputs, Mapping) else {}
        for name, value in named.items():
            source = operation_of(value) if isinstance(value, keras.KerasTensor) else None
            if isinstance(source, keras.layers.InputLayer):
                source.optional = self.get_layer(name).optional
        return super()._run_through_graph(inputs, *args, **kwargs)

    def _complete(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """All inputs by name, None for each absent optional one, every value checked against its input."""
        declared: dict[str, keras.KerasTensor] = self.input
        if not isinstance(inputs, Mapping):
            raise InputError(
                f"model {self.name!r} takes a dictionary of inputs by name, "
                f"got {type(inputs).__name__}; its inputs: {self._signature()}"
            )
        unknown = [
            f"{name!r}" + "".join(f" (did you mean {near!r}?)" for near in _nearest(name, declared))
            for name in inputs
            if name not in declared
        ]
        if unknown:
            raise InputError(
                f"model {self.name!r} has no input {', '.join(unknown)}; its inputs: {self._signature()}"
            )
        missing = [
            name for name in declared if inputs.get(name) is None and not self.get_layer(name).optional
        ]
        if missing:
            raise InputError(
                f"model {self.name!r} needs input {', '.join(map(repr, missing))}; "
                f"given: {', '.join(map(repr, inputs)) or 'none'}; its inputs: {self._signature()}"
            )
        may_be_packed = any(inputs.get(name) is not None for name in _OF_EXAMPLES)
        return {
            name: None
            if inputs.get(name) is None
            else _fit(self.name, tensor, _one_list(tensor, inputs[name]) if may_be_packed else inputs[name])
            for name, tensor in declared.items()
        }

    def _reached_outputs(self, inputs: dict[str, Any]) -> list[str]:
        """Names of the outputs that the given inputs lead to; runs no layer, only follows the graph."""

        def follow(operation: keras.Operation) -> Any:
            def run(*args: Any, **kwargs: Any) -> list[bool | None]:
                present = None if any(value is None for value in args) else True
                return [present] * len(keras.tree.flatten(operation.output))

            return run

        reached = super()._run_through_graph(inputs, operation_fn=follow)
        return [name for name, present in reached.items() if present is not None]

    def _open_name_scope(self) -> keras.name_scope:
        return legal_name_scope(self, super()._open_name_scope())

    def _signature(self) -> str:
        """The inputs in words, for messages."""
        required = [name for name in self.input if not self.get_layer(name).optional]
        optional = [name for name in self.input if self.get_layer(name).optional]
        return f"{', '.join(required)}" + (f"; optional: {', '.join(optional)}" if optional else "")


def build_functional(
    nodes: Iterable[GraphNode],
    inputs: Iterable[GraphInput],
    outputs: Mapping[str, Source],
    name: str,
) -> GraphModel:
    """Wires layers into a model; a node's sources are inputs or nodes that stand before it.

    A layer takes the name of the first node that applies it; the same layer in a later node shares its
    weights. Tuples in the fields' order serve for `GraphNode` and `GraphInput`.

    Raises:
        ValueError: a name used twice, or a source that does not exist or is not a single tensor.
    """
    tensors: dict[str, Any] = {}
    declared: dict[str, keras.KerasTensor] = {}

    def add(name: str, value: Any) -> None:
        if name in tensors:
            raise ValueError(f"two inputs or nodes are called {name!r}; give one of them another name")
        tensors[name] = value

    def tensor(reader: str, source: Source) -> keras.KerasTensor:
        node, key = (source, None) if isinstance(source, str) else source
        found = tensors.get(node)
        keys = list(found) if isinstance(found, dict) else []
        if key is not None:
            found = found.get(key) if keys else None
        if not isinstance(found, keras.KerasTensor):
            held = f"{node!r} has the outputs {keys}" if keys else f"there are {list(tensors)}"
            raise ValueError(f"{reader} reads {source!r}, which is no tensor; {held}")
        return found

    for item in inputs:
        entry = GraphInput(*item)
        declared[entry.name] = keras.Input(
            batch_shape=entry.shape, dtype=entry.dtype, name=entry.name, optional=entry.optional
        )
        add(entry.name, declared[entry.name])
    applied: set[int] = set()
    for item in nodes:
        node = GraphNode(*item)
        if id(node.layer) not in applied:
            applied.add(id(node.layer))
            node.layer.name = node.name
        positional = [tensor(f"node {node.name!r}", source) for source in node.sources]
        keywords = {
            port: tensor(f"node {node.name!r}", source) for port, source in node.keyword_sources.items()
        }
        with declaring(node.layer, node.outputs):
            add(node.name, node.layer(*positional, **keywords))
    results = {key: tensor(f"output {key!r}", source) for key, source in outputs.items()}
    return GraphModel(inputs=declared, outputs=results, name=name)


def operation_of(tensor: keras.KerasTensor) -> keras.Operation:
    """What gave a tensor of a functional model."""
    return tensor._keras_history.operation


def _one_list(declared: keras.KerasTensor, value: Any) -> Any:
    """Labels of packed examples, ``[batch, examples, ...]``, as the one list that the loss takes them for.

    Keras fixes an input's rank, and declared is that of rows with one example each, ``[batch, ...]``.
    """
    rank = len(value.shape) if hasattr(value, "shape") else np.ndim(value)
    is_packed = rank == len(declared.shape) + 1 and None not in declared.shape[1:]
    return keras.ops.reshape(value, (-1, *declared.shape[1:])) if is_packed else value


def _fit(model: str, declared: keras.KerasTensor, value: Any) -> Any:
    """The value as a tensor of its input's dtype, after checking its shape and kind against that input."""
    value = value if hasattr(value, "shape") else np.asarray(value)
    where = f"model {model!r}: input {declared.name!r}"
    if isinstance(value.shape, tf.TensorShape) and value.shape.rank is None:
        value = tf.ensure_shape(value, declared.shape)
    shape = tuple(value.shape)
    if len(shape) != len(declared.shape) or any(
        size != expected and None not in (size, expected)
        for size, expected in zip(shape, declared.shape, strict=True)
    ):
        raise InputError(f"{where} has shape {_sizes(shape)}, expected {_sizes(declared.shape)}")
    dtype = getattr(value.dtype, "name", value.dtype)
    kinds = ("int", "uint", "bool") + (("float", "bfloat") if "float" in declared.dtype else ())
    if not dtype.startswith(kinds):
        raise InputError(
            f"{where} holds {dtype}, expected {declared.dtype}: cast it if that is what you mean"
        )
    if isinstance(value, keras.KerasTensor):
        return value
    return keras.ops.convert_to_tensor(value, dtype=declared.dtype)


def _sizes(shape: Iterable[int | None]) -> str:
    return "[" + ", ".join("any" if size is None else str(size) for size in shape) + "]"


def _nearest(name: object, names: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(str(name), list(names), n=1)
