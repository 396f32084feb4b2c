"""Examples for speech recognition: a whole waveform, and the letters of what is said in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.base import DataDescription, Dataset, Example, Padding, example_bytes
from zoo_common.data.examples import make_examples
from zoo_common.data.kept_arrays import Block, Keep, in_memory, kept_for, lengths_of
from zoo_common.data.label_names import FILE as LABELS
from zoo_common.data.label_names import read_label_names, require_same, some, write_label_names
from zoo_common.data.lengths import AT_ONCE
from zoo_common.data.letter_files import read_letters
from zoo_common.data.letters import SPECIALS, Letters, letters_of, spelled
from zoo_common.data.makers.waveforms import (
    fed,
    frames_of,
    longest,
    utterance,
    utterance_data,
    without,
)
from zoo_common.data.reader import Wanted, kept_by
from zoo_common.data.records import Records, open_records
from zoo_common.data.sounds import heard, require_rate
from zoo_spec.base import Spec
from zoo_spec.data import UtteranceData
from zoo_spec.data.records import Record, Utterance
from zoo_spec.data_fit import label_count
from zoo_spec.errors import InputError
from zoo_spec.tasks.ctc import Ctc
from zoo_spec.tensors import Windows


class CtcExamples(Dataset):
    """``waveform``, ``sample_ids`` ``[samples]``, ``labels [letters]`` and ``label_weights``, as the model has them.

    They are the same in every epoch.
    """

    def __init__(
        self,
        records: Records,
        data: UtteranceData,
        letters: Letters,
        frames: Windows,
        *,
        samples: int,
        labels: int,
        inputs: frozenset[str],
        keep: Keep = in_memory,
    ) -> None:
        """``samples`` and ``labels`` are those of the longest example that there may be."""
        self.letters = letters
        self._records, self._data, self._frames = records, data, frames
        self._sizes = {"samples": samples, "labels": labels}
        self._inputs, self._keep = inputs, keep

    def __len__(self) -> int:
        return len(self._records)

    def description(self) -> DataDescription:
        """Where the records come from, and what letters there are."""
        letters = [name for name in self.letters.names[1:] if name not in SPECIALS]
        return replace(
            self._records.description(),
            samples=len(self),
            bytes_per_sample=example_bytes(self),
            notes=(f"{len(letters)} letters: {' '.join(letters[:40])}{' …' * (len(letters) > 40)}",),
        )

    def padding(self) -> Padding:
        """To the longest waveform and the longest transcript."""
        dimensions = {"waveform": "samples", "sample_ids": "samples", "labels": "labels"}
        return Padding(dimensions, self._sizes)

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """Samples and letters of each utterance."""
        return lengths_of(self._keep("lengths", self._counted))

    def example(self, epoch: int, index: int) -> Example:
        """One utterance."""
        record = utterance(self._records[index])
        example = fed(heard(record.sound, self._data))
        example["labels"] = np.asarray(self.letters.ids(transcript_of(record, self._data)), np.int32)
        example["label_weights"] = np.ones((), np.float32)
        return {name: value for name, value in example.items() if name in self._inputs}

    def said(self, index: int) -> str:
        """What is said in an utterance, with one space between words."""
        return " ".join(transcript_of(utterance(self._records[index]), self._data).split())

    def _counted(self) -> Iterator[Block]:
        for start in range(0, len(self), AT_ONCE):
            some = [
                utterance(self._records[index]) for index in range(start, min(start + AT_ONCE, len(self)))
            ]
            letters = [len(spelled(transcript_of(record, self._data))) for record in some]
            samples = [record.sound.length for record in some]
            yield {"samples": np.asarray(samples, np.int32), "labels": np.asarray(letters, np.int32)}

    def frame_count(self, index: int) -> int:
        """How many of an example's frames are of its waveform and not of padding."""
        return self._frames.fitting(utterance(self._records[index]).sound.length)


def transcript_of(record: Utterance, data: UtteranceData) -> str:
    """What is said, in the case that the data says; InputError where nobody has said."""
    if record.transcript is None:
        raise InputError(
            f"{record.where}: has no transcript; recognition learns from utterances that have one"
        )
    said = record.transcript
    return said.upper() if data.case == "upper" else said.lower() if data.case == "lower" else said


class _Learned(Spec):
    counts: dict[str, int]
    most: int
    met: tuple[str, ...]


class _Seen:
    """What is met while the records are read: letters, and the longest transcript."""

    def __init__(self, wanted: Wanted, letters: Letters | None) -> None:
        self._data, self._letters = utterance_data(wanted), letters
        self.most_samples, self.frames = longest(wanted), frames_of(wanted)
        self.counts: Counter[str] = Counter()
        self.most_letters = 1
        self._met: set[str] = set()

    name = "letters"

    def about(self) -> JsonValue:
        """How long a waveform may be, and which frames it makes."""
        return {"most_samples": self.most_samples, "frames": repr(self.frames)}

    def learned(self) -> JsonValue:
        """What was met."""
        found = _Learned(counts=dict(self.counts), most=self.most_letters, met=tuple(sorted(self._met)))
        return found.model_dump(mode="json")

    def recall(self, learned: JsonValue) -> bool:
        """Know it again, if all letters are known ones."""
        known = _Learned.model_validate_json(json.dumps(learned))
        if self._letters is not None and not set(known.met) <= {*self._letters.names[1:]} - {*SPECIALS}:
            return False
        self.counts, self.most_letters = Counter(known.counts), known.most
        self._met = set(known.met)
        return True

    def look(self, record: Record) -> None:
        """Raises InputError, naming the place, for what recognition cannot learn from."""
        spoken = utterance(record)
        require_rate(spoken.sound, self._data, spoken.where)
        transcript = transcript_of(spoken, self._data)
        try:
            letters = spelled(transcript)
            if self._letters is not None:
                self._letters.ids(transcript)
            self._met.update(letters)
            if not letters:
                raise InputError("the transcript is empty; leave the utterance out")
            why = self.unfit(spoken)
        except InputError as error:
            raise InputError(f"{spoken.where}: {error}") from None
        if why and self._data.unfit == "refuse":
            raise InputError(f"{spoken.where}: {why}; set data.unfit to drop to leave such utterances out")
        if not why:
            self.counts.update(letters)
            self.most_letters = max(self.most_letters, len(letters))

    def unfit(self, spoken: Utterance) -> str:
        """Why an utterance cannot be an example, in words; nothing if it can."""
        length = spoken.sound.length
        if length > self.most_samples:
            return (
                f"has {length:,} samples, and an example {self.most_samples:,} at most (data.waveform_samples, and "
                "the model's max_samples)"
            )
        letters = spelled(transcript_of(spoken, self._data))
        needed = len(letters) + sum(one == other for one, other in pairwise(letters))
        frames = self.frames.fitting(length)
        if needed > frames:
            return (
                f"has {len(letters)} letters, which need {needed} frames (a blank stands between equal ones), and "
                f"its {length:,} samples make {frames}"
            )
        return ""


def _known(wanted: Wanted) -> Letters | None:
    """The letters that the run keeps, or that a dictionary has; None where the training transcripts have them."""
    data = utterance_data(wanted)
    stated = None if data.dictionary is None else read_letters(Path(data.dictionary), data.limits)
    kept = read_label_names(wanted.run_dir, label_count(wanted.graph))
    if kept is not None and stated is not None:
        require_same(kept, stated.names, wanted.run_dir)
    return stated if kept is None else Letters(kept)


def _before(wanted: Wanted) -> Letters | None:
    """Those of the run whose weights this one begins with, if its head may be that one's."""
    found = None if wanted.begins_with is None else kept_by(wanted.begins_with, LABELS)
    names = None if found is None else read_label_names(found.parent)
    return Letters(names) if names is not None and len(names) == label_count(wanted.graph) else None


def _settled(wanted: Wanted, counts: Counter[str], source: str) -> Letters:
    """The letters of the training transcripts, as many as the model has classes for."""
    before = _before(wanted)
    if before is not None and set(counts) <= set(before.names):
        return before
    letters = letters_of(counts)
    classes = label_count(wanted.graph)
    if len(letters.names) != classes:
        own, count = some(letters.names[len(SPECIALS) :]), len(letters.names)
        raise InputError(
            f"{source}: has {len(counts)} different letters, {own}, which with {', '.join(SPECIALS)} are {count} "
            f"classes, and task.classes is {classes}; set it to {count}, or name a data.dictionary (data.case makes "
            "letters of one case)"
        )
    return letters


@make_examples.register
def _recognition(task: Ctc, wanted: Wanted) -> CtcExamples:
    data = utterance_data(wanted)
    letters = _known(wanted)
    if letters is None and wanted.split == "eval":
        trained = _Seen(wanted, None)
        source = open_records(data, "train", trained, wanted).description().source
        letters = _settled(wanted, trained.counts, source)
    seen = _Seen(wanted, letters)
    records = open_records(data, wanted.split, seen, wanted)
    if letters is None:
        letters = _settled(wanted, seen.counts, records.description().source)
    if len(letters.names) != label_count(wanted.graph):
        raise InputError(
            f"{data.dictionary}: has {len(letters.names)} symbols, special ones among them, and task.classes is "
            f"{label_count(wanted.graph)}; set it to {len(letters.names)}"
        )
    if wanted.run_dir is not None:
        write_label_names(wanted.run_dir, letters.names)
    if data.least_samples:
        records = without(
            records,
            lambda each: each.sound.length < data.least_samples,
            f"are shorter than data.least_samples {data.least_samples:,}",
            kept_for(wanted),
            "long_enough",
        )
    if data.unfit == "drop":
        records = without(
            records,
            lambda each: bool(seen.unfit(each)),
            "are too long, or for too many letters",
            kept_for(wanted, seen.about()),
        )
    return CtcExamples(
        records,
        data,
        letters,
        seen.frames,
        samples=seen.most_samples,
        labels=seen.most_letters,
        inputs=wanted.inputs,
        keep=kept_for(wanted, seen.about()),
    )
