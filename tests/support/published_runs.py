"""What a run at step 0 computes in either framework, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

import zoo_tf
import zoo_torch
from zoo_common.checkpoint import CheckpointStore
from zoo_spec import load_spec


def outputs_of(run: Path, inputs: dict[str, np.ndarray]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Each framework's name, and its outputs."""
    spec = load_spec(str(run / "spec.yaml"))
    weights = dict(CheckpointStore(run / "checkpoints").latest_weights().weights())
    model = zoo_torch.compile(spec, seed=0, dtype="float64").eval()
    zoo_torch.set_weights(model, weights)
    found = model(**{name: torch.from_numpy(value) for name, value in inputs.items()})
    yield "torch", {name: value.detach().numpy() for name, value in found.items()}
    model = zoo_tf.compile(spec, seed=0, dtype="float64")
    zoo_tf.set_weights(model, weights)
    yield "tf", {name: value.numpy() for name, value in model(inputs).items()}
