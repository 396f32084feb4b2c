"""What every Keras block has in common: its config, its answer to absent inputs, its record for parity."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from zoo_spec.errors import InputError

Host = Callable[[tuple[Any, ...], Mapping[str, Any], bool | None], Any]
"""What answers a block's call: its positional arguments, its keywords, and whether it trains, if that is said."""

_FROZEN = "frozen"
"""The entry of a config that lists the inner layers which are not trainable: Keras keeps that of the outermost."""


class Block(keras.layers.Layer):
    """A Keras layer that Keras can save, and that gives nothing where a required input is absent.

    A subclass takes flat keyword arguments, and native layers for its slots (a layer, a list or a dict of
    them, keyed by strings), and hands Keras' own `name`, `dtype` and `trainable` on to `super().__init__`.
    It creates its weights and its children in `__init__` or `build`; attribute names are weight names. It
    writes no `get_config`: the base remembers the constructor's arguments.

    In `call` the required ports are positional and the others keyword-only. When a positional argument is
    None, `call` does not run and the block gives None, or, if it gives a dictionary, None for each of its
    keys (a functional graph knows a dictionary's tensors by position, so none may be missing).
    A keyword port that is absent receives None, and `call` runs.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        namesake = keras.saving.get_registered_object(f"zoo>{cls.__name__}")
        # The same class again is a notebook cell run twice; another would load saved models wrongly.
        if namesake is not None and _origin(namesake) != _origin(cls):
            raise TypeError(
                f"two blocks are called {cls.__name__}: {_origin(namesake)} and {_origin(cls)}; "
                "saved models find a block by its class name, so rename one of them"
            )
        keras.saving.register_keras_serializable(package="zoo", name=cls.__name__)(cls)

    def __new__(cls, *args: Any, **kwargs: Any) -> Block:
        """Makes the layer and remembers what it is made of."""
        if args:
            raise TypeError(f"{cls.__name__} takes keyword arguments only, got {len(args)} positional")
        block = super().__new__(cls, **kwargs)
        # Past Keras' __setattr__, which would track the children twice, here and under their own names.
        object.__setattr__(block, "_given", _Given(kwargs))
        object.__setattr__(block, "_output_keys", None)
        object.__setattr__(block, "_declared", None)
        object.__setattr__(block, "_host", None)
        return block

    def build(self, *shapes: Any) -> None:
        """Nothing to do for a block that makes its weights in `__init__`; the children build when called.

        Without this method Keras would trace `call` once more at every level of nesting to build them.
        """

    @tf.autograph.experimental.do_not_convert
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer as Keras does, unless a required (positional) input is None."""
        if any(value is None for value in args):
            return None if self._output_keys is None else dict.fromkeys(self._output_keys)
        if self._host is not None:
            said = kwargs.pop("training", None)
            training = self._get_call_context().get_value("training") if said is None else said
            return self._host(args, kwargs, training)
        outputs = super().__call__(*args, **kwargs)
        if self._output_keys is None and isinstance(outputs, dict):
            object.__setattr__(self, "_output_keys", tuple(outputs))
        log = _log.get()
        if log is not None and tf.executing_eagerly():
            log.add(self, args, kwargs, outputs)
        return outputs

    def set_host(self, host: Host | None) -> Host | None:
        """Have another answer the block's calls, which then needs no weights of its own; returns who did before."""
        before: Host | None = self._host
        # Past Keras' __setattr__, since it is no part of a saved layer.
        object.__setattr__(self, "_host", host)
        return before

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """What the graph says that the block gives, while it is wired into one; else found by tracing `call`.

        A trace goes through every layer of a stack, and took most of the time to compile BERT-base.
        """
        return super().compute_output_spec(*args, **kwargs) if self._declared is None else self._declared

    def get_config(self) -> dict[str, Any]:
        """Keras' own entries and the constructor's arguments, layers among them serialised."""
        own = super().get_config()
        given = {key: value for key, value in self._given.arguments.items() if key not in own}
        frozen = [path for path, layer in walk("", self, set()) if not layer.trainable]
        return {**own, **keras.saving.serialize_keras_object(given), **({_FROZEN: frozen} if frozen else {})}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Block:
        """The block that `get_config` described."""
        plain = {
            key: value if key == "dtype" else keras.saving.deserialize_keras_object(value)
            for key, value in config.items()
            if key != _FROZEN
        }
        block = super().from_config(plain)
        frozen = config.get(_FROZEN, ())
        for path, layer in walk("", block, set()):
            if path in frozen:
                layer.trainable = False
        return block

    def quantize(self, mode: Any = None, **kwargs: Any) -> None:
        """InputError: Keras would pass over the block, and say that it had quantized the model."""
        raise InputError(
            f"block {self.name!r} ({type(self).__name__}) has no quantized form: leave the model as it is, or keep "
            "quantize() to layers of your own by its `filters`"
        )

    def enable_lora(self, rank: int, **kwargs: Any) -> None:
        """InputError: there is no such form."""
        raise InputError(
            f"block {self.name!r} ({type(self).__name__}) has no LoRA form: freeze blocks by trainable = False, or "
            "train all of them"
        )

    def get_build_config(self) -> None:
        """None: a reloaded block is built by being called, so that its children are built too."""

    def _open_name_scope(self) -> keras.name_scope:
        return legal_name_scope(self, super()._open_name_scope())


@contextlib.contextmanager
def declaring(layer: keras.layers.Layer, outputs: Any) -> Iterator[None]:
    """Have a block that is called on symbolic tensors give these `KerasTensor`s, if any, without a trace."""
    if outputs is None or not isinstance(layer, Block):
        yield
        return
    object.__setattr__(layer, "_declared", outputs)
    try:
        yield
    finally:
        object.__setattr__(layer, "_declared", None)


def legal_name_scope(layer: keras.layers.Layer, scope: keras.name_scope) -> keras.name_scope:
    """Keras' own scope, unless the author's name for the layer is none that TensorFlow's graphs allow.

    They take ASCII letters, digits and `_.-`, and no underscore first; node names are freer than that.
    """
    if re.fullmatch(r"[A-Za-z0-9.][A-Za-z0-9_.-]*", layer.name):
        return scope
    return keras.name_scope("node_" + re.sub(r"[^A-Za-z0-9_.-]", "_", layer.name), caller=layer)


class Call(NamedTuple):
    """One block's run: its path (`encoder.layers.0.attention`), what it was given, and what it gave."""

    path: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any


@contextlib.contextmanager
def recording(model: keras.Model) -> Iterator[list[Call]]:
    """Collects what each block of `model` is given and gives while the model is called eagerly, inner blocks first.

    Runs inside a `tf.function` or of symbolic tensors leave no entry, nor do blocks of other models.
    """
    log = Log({id(layer): path for path, layer in named_layers(model)}, [])
    token = _log.set(log)
    try:
        yield log.calls
    finally:
        _log.reset(token)


def named_layers(model: keras.Model) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Every layer of a functional model with its canonical path, outer before inner, shared ones once.

    The path is the node's name followed by attribute names, list indices and dictionary keys.
    """
    seen: set[int] = set()
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            yield from walk(layer.name, layer, seen)


def walk(path: str, value: object, seen: set[int]) -> Iterator[tuple[str, keras.layers.Layer]]:
    """The layers in a layer, a list or a dictionary by path, outer before inner, each once."""
    if isinstance(value, keras.layers.Layer):
        if id(value) in seen:
            return
        seen.add(id(value))
        yield path, value
        # Names with an underscore are Keras' own bookkeeping, which lists the children a second time.
        items = [(key, child) for key, child in vars(value).items() if not key.startswith("_")]
    elif isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    else:
        return
    for key, child in items:
        yield from walk(f"{path}.{key}", child, seen)


class _Given:
    """A constructor's arguments, out of sight of Keras' saving, which would walk into a plain dict."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = arguments


class Log(NamedTuple):
    """Whose runs are noted, by identity of the layer, and those that were."""

    paths: dict[int, str]
    calls: list[Call]

    def add(self, block: Block, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        path = self.paths.get(id(block))
        leaves = keras.tree.flatten(output)
        if path is not None and not any(isinstance(leaf, keras.KerasTensor) for leaf in leaves):
            self.calls.append(Call(path, args, kwargs, output))


def recording_now() -> Log | None:
    """What notes runs at the moment, if anything does."""
    return _log.get()


_log: ContextVar[Log | None] = ContextVar("recording", default=None)


def _origin(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
