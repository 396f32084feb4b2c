"""fairseq's checkpoints: weights by today's names, and the configuration that stands in the same file.

fairseq itself renames older weights as it loads them (``upgrade_state_dict_named`` of its modules).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from zoo_common.containers.inert import plain
from zoo_common.weights import Entry, WeightSource
from zoo_spec.arrays import Array

_FUSED = re.compile(r"(.*\.)in_proj_(weight|bias)")
_PARTS = ("q_proj", "k_proj", "v_proj")
_OLD_NORM = re.compile(r"(encoder|decoder)(\.layers\.[0-9]+\.)layer_norms\.([0-2])\.(weight|bias)")
_NORMS = {
    "encoder": ("self_attn_layer_norm", "final_layer_norm"),
    "decoder": ("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"),
}
_CLASSES = re.compile(r"classification_heads\.([^.]+)\.(.+)")


@dataclass(frozen=True)
class _Origin:
    """Where a weight is in the file: under a name, alone or as one of three parts, one after the other."""

    name: str
    part: int | None = None


class FairseqWeights(WeightSource):
    """A fairseq checkpoint's tensors by the names that fairseq gives them today.

    Queries, keys and values that are one tensor are three; ``layer_norms`` by number have their names; a
    classification head is called ``one``, if there are no others.
    """

    def __init__(self, source: WeightSource) -> None:
        self._source = source
        heads = {match[1] for name in source if (match := _CLASSES.fullmatch(name))}
        self._origins: dict[str, _Origin] = {}
        self.entries: dict[str, Entry] = {}
        for name, entry in source.entries.items():
            fused = _FUSED.fullmatch(name)
            if fused and entry.shape and entry.shape[0] % 3 == 0:
                third = Entry(entry.dtype, (entry.shape[0] // 3, *entry.shape[1:]))
                for index, part in enumerate(_PARTS):
                    self._take(f"{fused[1]}{part}.{fused[2]}", third, _Origin(name, index))
            else:
                self._take(_renamed(name, len(heads)), entry, _Origin(name))

    def read(self, name: str) -> Array:
        """The tensor, in memory of its own."""
        origin = self._origins[name]
        whole = self._source.read(origin.name)
        if origin.part is None:
            return whole
        size = len(whole) // 3
        return np.array(whole[origin.part * size : (origin.part + 1) * size])

    def called(self, name: str) -> str:
        """What the file calls it."""
        return self._origins[name].name

    def _take(self, name: str, entry: Entry, origin: _Origin) -> None:
        # Of a weight that is there in both forms the newer stands under its own name: nothing is thrown away.
        if name in self.entries:
            name, entry, origin = origin.name, self._source.entries[origin.name], _Origin(origin.name)
        self._origins[name], self.entries[name] = origin, entry


def _renamed(name: str, heads: int) -> str:
    norm = _OLD_NORM.fullmatch(name)
    if norm and int(norm[3]) < len(_NORMS[norm[1]]):
        return f"{norm[1]}{norm[2]}{_NORMS[norm[1]][int(norm[3])]}.{norm[4]}"
    head = _CLASSES.fullmatch(name)
    return f"classification_heads.one.{head[2]}" if head and heads == 1 else name


def fairseq_config(objects: Mapping[str, object]) -> dict[str, JsonValue]:
    """The settings of a checkpoint's model and task, by fairseq's own keys; of what they are read is ``arch``.

    ``objects`` are what the file has beside its weights: ``cfg``, in newer ones, or ``args``. A model that was built
    around a pre-trained one (``hubert_ctc``) has the settings of that. Raises ValueError where there are none.
    """
    cfg, args = plain(objects.get("cfg")), plain(objects.get("args"))
    found = _flat(cfg) if isinstance(cfg, dict) and cfg else _flat(args)
    if not found:
        raise ValueError(
            "has neither args nor cfg, in which fairseq keeps what its weights are computed with"
        )
    inner = found.get("w2v_args")
    if isinstance(inner, dict):
        found = {**_flat(inner), "arch": found.get("arch"), "normalize": found.get("normalize", False)}
    return {key: value for key, value in found.items() if key != "w2v_args"}


def _flat(settings: object) -> dict[str, JsonValue]:
    if not isinstance(settings, dict):
        return {}
    model, task = settings.get("model"), settings.get("task")
    if not isinstance(model, dict):
        return {str(key): value for key, value in settings.items() if _is_json(value)}
    flat: dict[str, JsonValue] = {}
    for part in (task, model):
        if isinstance(part, dict):
            # "${task.normalize}" stands for what the task says.
            flat |= {str(k): v for k, v in part.items() if _is_json(v) and not _is_reference(v)}
    # A model without a class for its settings is a Namespace there still, with its architecture in it.
    arch = model.get("_name") or model.get("arch")
    return {**flat, "arch": str(arch)}


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and value.startswith("${")


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(each) for key, each in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | int | float)
