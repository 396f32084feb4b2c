"""Checkpoints, verified and neutral: written by one framework, read by either (docs/checkpoints.md)."""

from zoo_common.checkpoint.manifest import DamagedCheckpointError, Manifest
from zoo_common.checkpoint.saved import Checkpoint, SavedWeights
from zoo_common.checkpoint.saving import PartialCheckpoint, Records, needed_bytes
from zoo_common.checkpoint.store import CheckpointStore, Saving

__all__ = [
    "Checkpoint",
    "CheckpointStore",
    "DamagedCheckpointError",
    "Manifest",
    "PartialCheckpoint",
    "Records",
    "SavedWeights",
    "Saving",
    "needed_bytes",
]
