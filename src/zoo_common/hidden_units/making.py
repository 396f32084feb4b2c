"""From sounds to fairseq's files of units: a sample's features, clusters of them, and each frame's nearest."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data import progress
from zoo_common.data.base import Split
from zoo_common.files import write_atomically
from zoo_common.hidden_units.clusters import learned, mean_distance, nearest, require_clustering
from zoo_common.hidden_units.features import Features
from zoo_common.hidden_units.lists import SoundList
from zoo_common.hidden_units.work import FrameFile, UnitFile, Work
from zoo_common.log import LOG
from zoo_spec.random import Stream

NAMES: Mapping[Split, str] = {"train": "train", "eval": "valid"}
"""What fairseq calls the parts of the data."""
_FEATURES, _COUNTS, _CENTROIDS = "features.f32", "features.counts", "centroids.npy"

Frames = NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """How units are clustered: ``sample`` is the share of the training sounds that clusters are learned of."""

    clusters: int = 100
    sample: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Made:
    """What became of it: sounds and units of each part, frames that were learned of, and how near they lie."""

    sounds: Mapping[str, int]
    units: Mapping[str, int]
    frames: int
    mean_squared_distance: float


def make_units(lists: Mapping[Split, SoundList], features: Features, plan: Plan, output: Path) -> Made:
    """Write ``NAME.tsv``, ``.km`` and ``.len`` of each part, ``dict.km.txt``, ``centroids.npy`` and ``units.json``.

    Clusters are those of ``train``. Where it was stopped it goes on. Raises InputError for an output that is there,
    for sounds that are damaged, and for fewer frames than clusters; EnvironmentFault for a library that is missing,
    and for a full disk.
    """
    require_clustering()
    work, training = Work(output), lists["train"]
    about: dict[str, JsonValue] = {**features.facts(), "sample": plan.sample}
    about |= {} if plan.sample == 1 else {"seed": plan.seed}
    about |= {NAMES[split]: _hash(each) for split, each in lists.items()}
    with work.opened(about, {"clusters": plan.clusters, "seed": plan.seed}):
        chosen = sampled(len(training), plan)
        units = {}
        with contextlib.closing(FrameFile(work.path / _FEATURES, features.width)) as kept:
            for number in told("features", chosen, start=len(kept)):
                kept.append(features.of(training[number]))
            centroids = _centroids(kept.all(), plan, work.path / _CENTROIDS)
            distance, frames = mean_distance(kept.all(), centroids), len(kept.all())
            places = {number: place for place, number in enumerate(chosen)}

            def of(number: int) -> Frames:
                place = places.get(number)
                return features.of(training[number]) if place is None else kept.of(place)

            for split, each in lists.items():
                found = of if split == "train" else lambda number, each=each: features.of(each[number])
                units[NAMES[split]] = _label(each, found, centroids, work.path / NAMES[split])
        sounds = {NAMES[split]: len(each) for split, each in lists.items()}
        made = Made(sounds, units, frames, distance)
        _write_about(work.path, features, plan, made)
        work.finish(_FEATURES, _COUNTS)
    return made


def sampled(count: int, plan: Plan) -> list[int]:
    """Which sounds clusters are learned of, drawn by the seed: their numbers, rising."""
    wanted = min(count, math.ceil(count * plan.sample))
    if wanted == count:
        return list(range(count))
    return sorted(int(each) for each in Stream(plan.seed, "units").permutation(count)[:wanted])


def _centroids(frames: Frames, plan: Plan, path: Path) -> NDArray[np.float32]:
    if path.exists():
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    LOG.info(f"finding {plan.clusters:,} clusters of {len(frames):,} frames")
    found = learned(frames, plan.clusters, plan.seed)
    buffer = io.BytesIO()
    np.save(buffer, found)
    write_atomically(path, buffer.getvalue())
    return found


def _label(
    sounds: SoundList, frames_of: Callable[[int], Frames], centroids: NDArray[np.float32], path: Path
) -> int:
    """Write the list of sounds, the units of each and their number; gives how many units there are in all."""
    write_atomically(path.with_suffix(".tsv"), sounds.text())
    with contextlib.closing(UnitFile(path.with_suffix(".km"))) as file:
        for number in told(f"units of {path.name}", range(len(sounds)), start=file.lines):
            file.append(nearest(frames_of(number), centroids))
        write_atomically(path.with_suffix(".len"), "".join(f"{count}\n" for count in file.counts()))
        return file.units


def _write_about(folder: Path, features: Features, plan: Plan, made: Made) -> None:
    """``dict.km.txt``, in which the line of a unit is its number, and ``units.json``."""
    write_atomically(folder / "dict.km.txt", "".join(f"{unit} 1\n" for unit in range(plan.clusters)))
    about = {**features.facts(), "unit_rate": features.frames_per_second, **asdict(plan), **asdict(made)}
    write_atomically(folder / "units.json", json.dumps(about, indent=1) + "\n")


def _hash(sounds: SoundList) -> str:
    return hashlib.sha256(sounds.text().encode("utf-8", "surrogateescape")).hexdigest()


def told(what: str, numbers: Sequence[int], *, start: int) -> Iterator[int]:
    """Those from ``start`` on, and how far that is."""
    with progress.Work(what, len(numbers) - start, "sounds") as work:
        for number in numbers[start:]:
            yield number
            work.advance(1)
