"""What a layer of a trained HuBERT says of each frame (``simple_kmeans/dump_hubert_feature.py``)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.backend import Backend, InferenceModel
from zoo_common.data.sounds import heard
from zoo_common.hidden_units.features import whole_per_second
from zoo_common.training.spec_run import reopen
from zoo_common.training.taking_over import Widened, finite
from zoo_common.weights import Part
from zoo_spec.data import UtteranceData
from zoo_spec.data.records import Sound
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph, GraphBuilder
from zoo_spec.models.hubert import Hubert
from zoo_spec.tensors import Windows

_MOST = 1_600_000
"""Samples that the model sees at once, as fairseq has it: 100 seconds at 16 kHz. More are cut there."""
_OUTPUT = "hidden_states"


class LayerFeatures:
    """The hidden states after a layer, of a sound that is fed by itself and without padding, in float32."""

    def __init__(
        self, model: InferenceModel, graph: Graph, data: UtteranceData, facts: Mapping[str, JsonValue]
    ) -> None:
        states = graph.outputs[_OUTPUT]
        frames = states.shape[1]
        assert isinstance(frames, Windows)
        self._model, self._data, self._facts = model, data, facts
        self.rate = data.rate
        self.width = states.width
        self.frames_per_second = whole_per_second(data.rate, frames.stride, "a frame of the model's")
        self.least_samples = graph.bounds["samples"].minimum

    @classmethod
    def of_run(cls, backend: Backend, directory: Path, layer: int, *, device: str = "auto") -> LayerFeatures:
        """Of a run's newest weights, in either framework, whichever trained it.

        Raises InputError for a run that is no HuBERT's or has no such layer, or that does not say how it hears.
        """
        run = reopen(backend, directory, device=device, quiet=True)
        spec = run.learner.spec
        graph, data = layer_graph(spec, layer), _data(spec)
        with contextlib.closing(run.storage.newest()) as newest:
            run.require_own(newest)
            weights = Part(Widened(finite(newest.weights(), newest), "float32"), graph.parameters())
            model = backend.for_inference(graph, weights, dtype="float32", device=device)
            facts: dict[str, JsonValue] = {
                "features": "layer",
                "layer": layer,
                "rate": data.rate,
                "normalize": data.normalize,
                "weights": newest.weights_hash,
            }
        return cls(model, graph, data, facts)

    def facts(self) -> Mapping[str, JsonValue]:
        """The layer, and the hash of the weights."""
        return self._facts

    def of(self, sound: Sound) -> NDArray[np.float32]:
        """``[frames, width]``."""
        samples = heard(sound, self._data)
        parts = [samples[start : start + _MOST] for start in range(0, len(samples), _MOST)]
        rows = [self._states(part) for part in parts if len(part) >= self.least_samples]
        return np.concatenate(rows) if rows else np.zeros((0, self.width), np.float32)

    def _states(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        found = np.asarray(
            self._model.predict_step({"waveform": samples[np.newaxis]})[_OUTPUT][0], np.float32
        )
        if not np.isfinite(found).all():
            raise InputError(
                "the model's answer holds NaN or infinity: its weights are of no use; train it again"
            )
        return found


def layer_graph(spec: ExperimentSpec, layer: int) -> Graph:
    """A HuBERT of so many of a spec's layers, its frames' states as ``hidden_states``, by the weights' own names.

    Where norms stand before each half of a layer, the one after the last layer is left out, as fairseq does for what
    it clusters. InputError for another model, and for a layer that there is not.
    """
    model = spec.model
    if not isinstance(model, Hubert):
        raise InputError(
            f"{spec.name}: is a model of kind {model.kind!r}, and units are clustered of a HuBERT's layers; name a "
            "run of one, or leave out --run-dir for units of MFCC"
        )
    if not 1 <= layer <= model.num_layers:
        raise InputError(
            f"{spec.name}: has the layers 1 to {model.num_layers}, not {layer}; HuBERT's authors take 6 of 12 at "
            "first, and 9 then"
        )
    builder = GraphBuilder(spec.name, model.kind)
    part = model.model_copy(update={"num_layers": layer, "max_samples": _MOST})
    part.build(builder)
    encoder = builder.nodes.pop("encoder")
    builder.output(
        _OUTPUT, builder.place("encoder", encoder.block.model_copy(update={"norm": None}), encoder.inputs)
    )
    return builder.finish()


def _data(spec: ExperimentSpec) -> UtteranceData:
    data = spec.data.asked
    if not isinstance(data, UtteranceData):
        raise InputError(
            f"{spec.name}: was trained on data of kind {data.kind!r}, which does not say how it hears a sound (rate, "
            "normalize); name a run on utterances, or an import"
        )
    return data
