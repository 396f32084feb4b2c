"""What TensorFlow 1 keeps beside weights in a checkpoint: an optimizer's state, and counters."""

from __future__ import annotations

from dataclasses import replace

from zoo_spec.foreign.names import NameTable, Part

# google-research/bert's optimization.py; that of DeepLearningExamples; BioBERT's; TensorFlow's own.
_ENDINGS = (
    "adam_m",
    "adam_v",
    *(
        f"{name}{again}"
        for name in ("AdamWeightDecayOptimizer", "LAMB", "LAMBOptimizer", "BERTAdam", "Adam")
        for again in ("", "_1")
    ),
    "Momentum",
)
_MESH = ("_slot_vr", "_slot_vc", "_slot_v", "_slot_m")
COUNTERS = ("global_step", "beta1_power", "beta2_power")


def with_slots(table: NameTable) -> NameTable:
    """The table, knowing the names under which optimizers keep something of each weight, and counters, too.

    A whole part of a path says so: a weight of a scope ``LAMB`` is none.
    """
    return _with(table, tuple(f"/{ending}" for ending in _ENDINGS), COUNTERS)


def with_mesh_slots(table: NameTable) -> NameTable:
    """The same of Mesh TensorFlow's (tensorflow/mesh: mesh_tensorflow/optimize.py)."""
    return _with(table, _MESH, COUNTERS[:1])


def _with(table: NameTable, endings: tuple[str, ...], counters: tuple[str, ...]) -> NameTable:
    def known(part: Part) -> Part:
        names = [name for entry in part.entries for name in _tuple(entry.foreign)]
        return replace(part, unused=(*part.unused, *(name + ending for name in names for ending in endings)))

    backbone = known(table.backbone)
    backbone = replace(backbone, unused=(*backbone.unused, *counters))
    return replace(table, backbone=backbone, heads=tuple(known(head) for head in table.heads))


def _tuple(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names
