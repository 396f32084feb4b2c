"""Sounds in; what is said in them out, or the vectors of their frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import JsonValue

from zoo_common.data.letters import Letters
from zoo_common.data.sounds import heard, require_rate
from zoo_common.data.sources.sound_files import SUFFIXES, FileSound
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.lines import Line
from zoo_common.prediction.opening import Asked, open_prediction
from zoo_common.prediction.probabilities import rounded
from zoo_spec.data import UtteranceData
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_spec.tasks.ctc import Transcript
from zoo_spec.tensors import Windows


class _Sounds:
    """A line is the path of a FLAC or WAV file, which is fed whole and by itself, as the run's data was."""

    key = "file"
    reads_files = True
    endings = SUFFIXES

    def __init__(self, output: str, data: UtteranceData, graph: Graph) -> None:
        self.outputs: tuple[str, ...] = (output,)
        self._data, self._bound = data, graph.bounds["samples"]

    def items(self, line: Line) -> Iterator[Item]:
        """The line's one item."""
        path, data = line.text, self._data
        sound = FileSound(path, data.limits)
        require_rate(sound, data, path)
        most = self._bound.maximum
        if most is not None and sound.length > most:
            raise InputError(
                f"{path}: has {sound.length:,} samples, and the model takes {most:,} at most; cut it up"
            )
        if sound.length < self._bound.minimum:
            raise InputError(
                f"{path}: has {sound.length:,} samples, and the model needs {self._bound.minimum:,}"
            )
        # Nothing is padded: in HuBERT base padding would change the whole row.
        yield Item({"file": path}, {"waveform": heard(sound, data)}, self._answer)

    def _answer(self, row: Row) -> Answer:
        raise TypeError(f"{type(self).__name__} gives no answer")


class Transcripts(_Sounds):
    """What is said, by the likeliest class of each frame."""

    def __init__(self, output: str, data: UtteranceData, graph: Graph, letters: Letters) -> None:
        super().__init__(output, data, graph)
        self._letters = letters

    def _answer(self, row: Row) -> Answer:
        return {"transcript": self._letters.heard(np.argmax(row[self.outputs[0]], axis=-1))}


class FrameVectors(_Sounds):
    """A vector for each frame, with the second at which it starts."""

    def __init__(self, data: UtteranceData, graph: Graph) -> None:
        super().__init__("hidden_states", data, graph)
        frames = graph.outputs["hidden_states"].shape[1]
        self._seconds = frames.stride / data.rate if isinstance(frames, Windows) else 1.0

    def _answer(self, row: Row) -> Answer:
        vectors: list[JsonValue] = [
            {"start": rounded(frame * self._seconds), "embedding": [rounded(value) for value in vector]}
            for frame, vector in enumerate(np.asarray(row["hidden_states"], np.float64))
        ]
        return {"frames": vectors}


def frame_vectors(asked: Asked) -> FrameVectors:
    """The vectors that are asked for of a model that reads waveforms; InputError for those that it does not give."""
    if asked.embeddings not in ("all", "tokens"):
        raise InputError(
            f"{asked.spec.name}: gives a vector for each frame of a sound, and none that is called "
            f"{asked.embeddings}; ask for tokens"
        )
    return FrameVectors(_data(asked), asked.graph)


def _data(asked: Asked) -> UtteranceData:
    data = asked.spec.data
    if not isinstance(data, UtteranceData) or "samples" not in asked.graph.bounds:
        raise InputError(
            f"{asked.spec.name}: was trained on data of kind {data.kind!r}, which does not say how a sound would be "
            "fed to it; predict with a run on a source of utterances (generated_speech, librispeech, audio_manifest)"
        )
    return data


@open_prediction.register
def _transcripts(declared: Transcript, asked: Asked) -> Transcripts:
    asked.refuse_top("a sound is answered with a transcript")
    data, names = _data(asked), asked.label_names
    if names is None:
        raise InputError(
            f"{asked.run_dir}: has no labels.json, so nobody knows which letters its classes are; train it on "
            "utterances, or put the letters there as a list of names, in the order of their ids"
        )
    return Transcripts(declared.outputs[0], data, asked.graph, Letters(names))
