"""Checkpoints, verified and neutral: written by one framework, read by either (docs/checkpoints.md)."""

from zoo_common.checkpoint.manifest import DamagedCheckpointError, Manifest
from zoo_common.checkpoint.store import Checkpoint, CheckpointStore, SavedWeights

__all__ = ["Checkpoint", "CheckpointStore", "DamagedCheckpointError", "Manifest", "SavedWeights"]
