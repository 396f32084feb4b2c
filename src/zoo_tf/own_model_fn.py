"""A user's ``model_fn`` at work for the common loop; ``zoo_torch.own_module`` is its twin."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from zoo_common.backend import Array, State, StepResult, Weights
from zoo_common.checkpoint import SavedWeights
from zoo_common.training.feed import Feed
from zoo_common.training.learner import ModeKeys, Start
from zoo_common.training.loop import Step
from zoo_common.training.own_description import plain, qualified_name
from zoo_common.training.own_learner import OwnLearner
from zoo_common.training.own_outputs import Rows
from zoo_common.training.run_config import RunConfig
from zoo_common.weights import as_source
from zoo_spec.arrays import as_array
from zoo_spec.errors import InputError
from zoo_tf.device import choose_device, held_bytes
from zoo_tf.model_fn import ModelFn
from zoo_tf.programs import Program, first_of


class OwnModelFn(OwnLearner):
    """A ``model_fn``, a program a mode, and the newest values of its variables by path."""

    name = "tf"

    def __init__(self, model_fn: ModelFn, params: Mapping[str, Any] | None, config: RunConfig) -> None:
        title, own = qualified_name(model_fn), dict(params or {})
        super().__init__(title, {"model": title, "params": plain(own)}, config, own)
        self.device = choose_device(config.device)
        self._model_fn = model_fn
        self._programs: list[Program] = []
        self._loaded: Weights = {}
        self._training: Program | None = None
        self._step = 0
        # It counts the traces of all functions together, and warns of a loop where there are only several.
        tf.get_logger().setLevel(logging.ERROR)

    def device_bytes(self) -> int | None:
        """Bytes held on the accelerator; None on a CPU."""
        return held_bytes(self.device)

    def versions(self) -> dict[str, str]:
        """Versions of TensorFlow and Keras."""
        return {"tensorflow": tf.__version__, "keras": keras.__version__}

    def load(self, checkpoint: SavedWeights) -> None:
        """Keep a checkpoint's weights for the programs of other modes, which batches make."""
        self._loaded, self._training = dict(checkpoint.weights()), None

    def begin_training(self, start: Start, feed: Feed) -> Iterator[object]:
        """A program in the state of ``start``; without one that is there it has initial values again."""
        structure, batches = _opened(feed, ModeKeys.TRAIN)
        checkpoint = start.checkpoint
        if checkpoint is None:
            self._programs.clear()
        program = self._program(ModeKeys.TRAIN, structure)
        if checkpoint is not None:
            program.set_weights(checkpoint.weights())
            program.load_optimizer_state(checkpoint.optimizer(), checkpoint.step)
        elif start.warm_start_from is not None:
            with start.beginning(as_source(program.weights())) as weights:
                program.set_weights(weights)
        self._training, self._step, self._loaded = program, start.step, {}
        return ((program, features, labels) for features, labels in batches)

    def begin(self, mode: ModeKeys, feed: Feed) -> Iterator[object]:
        """Call the ``model_fn`` for the mode, unless it was for such batches; the batches as pairs of tensors."""
        structure, batches = _opened(feed, mode)
        program = self._program(mode, structure)
        program.set_weights(self._weights())
        return ((program, features, labels) for features, labels in batches)

    def train_step(self, batch: Any, index: int, waited: float) -> Step:
        """One step of the user's optimizer."""
        program, features, labels = batch
        with tf.device(self.device):
            found = program.run(features, labels)
        self._step = index + 1
        result = StepResult(found["loss"], {}, found["norm"])
        return Step(index + 1, found["rate"], _count(features), None, result, waited)

    def measure(self, batches: Iterator[Any]) -> dict[str, float]:
        """``loss``, if there is one, as a mean over all examples, and the metrics."""
        measured: dict[str, float] = {}
        program = None
        with tf.device(self.device):
            for program, features, labels in _reset_first(batches):
                program.run(features, labels)
            if program is not None:
                measured = program.measured()
        return measured

    def answer(self, batches: Iterator[Any]) -> Iterator[dict[str, Array]]:
        """The predictions of one example after the other; ``Rows`` says which and how they are called."""
        rows = Rows(self.title, tf.Tensor, lambda value: as_array(self.title, value))
        for program, features, labels in batches:
            with tf.device(self.device):
                found = program.run(features, labels)
            yield from rows.of(found, _count(features))

    def export_state(self) -> State:
        """Copies of all variables, and of the optimizer's."""
        assert self._training is not None
        return State(self._training.weights(), self._training.optimizer_state(), self._step)

    def _weights(self) -> Weights:
        """All variables as they are now."""
        return self._training.weights() if self._training is not None else self._loaded

    def write(self, directory: Path, features: Any) -> None:
        """Write a SavedModel that needs TensorFlow alone, its signature ``features``, ``tf.TensorSpec``s."""
        if isinstance(features, Mapping):
            features = {
                key: tf.TensorSpec(spec.shape, spec.dtype, name=key) for key, spec in features.items()
            }
        program = self._program(ModeKeys.PREDICT, (features, None))
        program.set_weights(self._weights())
        # It finds the variables of an endpoint itself, and would store them twice, but not a layer's table.
        archive = keras.export.ExportArchive()
        for layer in program.call.layers:
            if not layer.variables:
                archive.track(layer)
        archive.add_endpoint(
            "serving_default", lambda features: program.run(features, None), input_signature=[features]
        )
        archive.write_out(str(directory), verbose=False)

    def _program(self, mode: ModeKeys, structure: Any) -> Program:
        for program in self._programs:
            if program.mode is mode and _is_same(program.structure, structure):
                return program
        # A copy each: a model_fn may change its params, and no other call is to see that.
        given = {"params": dict(self.params), "config": self.config}
        with tf.device(self.device):
            program = Program(self._model_fn, mode, structure, given, self.config.seed or 0)
        self._programs = [*(other for other in self._programs if other.mode is not mode), program]
        return program


def _opened(feed: Feed, mode: ModeKeys) -> tuple[Any, Iterator[tuple[Any, Any]]]:
    """The structure of the batches, and each as (features, labels); without labels for PREDICT."""
    if isinstance(feed.source, tf.data.Dataset):
        return _pair(feed.source.element_spec, mode), (_pair(batch, mode) for batch in feed)
    batches = iter(feed)
    first = _tensors(_pair(next(batches), mode))
    structure = tf.nest.map_structure(_open_spec, first)
    rest = (_tensors(_pair(batch, mode)) for batch in batches)
    return structure, (_fitting(batch, structure) for batch in chain([first], rest))


def _pair(batch: Any, mode: ModeKeys) -> tuple[Any, Any]:
    if isinstance(batch, list):
        batch = tuple(batch)
    if isinstance(batch, tuple) and len(batch) not in (1, 2):
        raise InputError(f"a batch has {len(batch)} parts; give features, or (features, labels)")
    features, labels = (*batch, None)[:2] if isinstance(batch, tuple) else (batch, None)
    return features, None if mode is ModeKeys.PREDICT else labels


def _tensors(batch: tuple[Any, Any]) -> tuple[Any, Any]:
    return tuple(
        None if part is None else tf.nest.map_structure(tf.convert_to_tensor, part) for part in batch
    )


def _open_spec(value: tf.Tensor | None) -> tf.TensorSpec | None:
    return None if value is None else tf.TensorSpec([None, *value.shape[1:]][: value.shape.rank], value.dtype)


def _fitting(batch: tuple[Any, Any], structure: Any) -> tuple[Any, Any]:
    try:
        tf.nest.assert_same_structure(structure, batch)
        pairs = zip(tf.nest.flatten(structure), tf.nest.flatten(batch), strict=True)
        fits = all(spec is None or spec.is_compatible_with(value) for spec, value in pairs)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        met = tf.nest.map_structure(
            lambda value: None if value is None else tf.TensorSpec.from_tensor(value), batch
        )
        raise InputError(
            f"a batch is {met}, the first was {structure}; batches must be alike but for their size"
        )
    return batch


def _reset_first(batches: Iterable[Any]) -> Iterator[Any]:
    """The same, the metrics set back before the first."""
    is_first = True
    for batch in batches:
        if is_first:
            batch[0].reset_metrics()
        is_first = False
        yield batch


def _is_same(one: Any, other: Any) -> bool:
    try:
        tf.nest.assert_same_structure(one, other)
    except (TypeError, ValueError):
        return False
    return bool(tf.nest.flatten(one) == tf.nest.flatten(other))


def _count(features: Any) -> int:
    return int(first_of(features).shape[0])
