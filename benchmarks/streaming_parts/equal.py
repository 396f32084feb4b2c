"""``equal.py FRAMEWORK CASE...``: train runs resident and streamed, and print how far they are apart, as JSON.

A run is made as ``zoo train`` makes it, with its checkpoints; what is compared are the losses and norms of each step
and the weights and moments that the last checkpoint holds.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo_common.backend import find_backend
from zoo_common.checkpoint import CheckpointStore
from zoo_common.training.run_directory import RunDirectory
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec

NO_CLIPPING = "training.optimizer.max_gradient_norm=null"
GPT = (
    "model.hidden_size=64",
    "model.num_heads=4",
    "model.intermediate_size=128",
    "model.vocab_size=200",
    "data.sequence_length=24",
)


@dataclass(frozen=True)
class Case:
    """A spec with its overrides, and the most by which a streamed run may differ; 0: not in one bit."""

    spec: str
    overrides: tuple[str, ...] = ()
    most: float = 0.0


CASES = {
    "gpt3, pattern of layers": Case("gpt3_tiny", (*GPT, "model.num_layers=4")),
    "gpt3, three micro-batches": Case(
        "gpt3_tiny", (*GPT, "training.batch_size=6", "training.micro_batch_size=2")
    ),
    "gpt3, no clipping": Case("gpt3_tiny", (*GPT, NO_CLIPPING)),
    "gpt3, float64, three micro-batches, no clipping": Case(
        "gpt3_tiny",
        (
            *GPT,
            NO_CLIPPING,
            "training.precision=float64",
            "training.batch_size=6",
            "training.micro_batch_size=2",
        ),
    ),
    "gpt3, bfloat16": Case("gpt3_tiny", (*GPT, "training.precision=bfloat16")),
    "bert, dropout": Case("bert_tiny", ("model.dropout=0.1", "model.attention_dropout=0.1")),
    "bert, portable dropout": Case(
        "bert_tiny", ("model.dropout=0.1", "model.attention_dropout=0.1", "training.random=portable")
    ),
    "bert, a frozen layer": Case("bert_tiny", ("training.freeze=[embeddings, encoder.layers.0]",)),
    "linformer": Case("linformer_tiny"),
    "vit": Case("vit_tiny", ("data={kind: generated}",)),
    "t5, float64": Case("t5_tiny", ("training.precision=float64",), most=1e-12),
}
QUICK = ("gpt3, three micro-batches", "bert, dropout")
STEPS = 3


def main() -> None:
    framework, *names = sys.argv[1:]
    print(json.dumps({name: differing(framework, CASES[name]) for name in names}))


def differing(framework: str, case: Case) -> float:
    """The largest difference between two runs, of a tensor's largest value; -1 where they are equal in every bit."""
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        one, other = (
            trained(framework, case, Path(folder) / way, way) for way in ("resident", "weight_streaming")
        )
    assert one.keys() == other.keys()
    if all(one[name].tobytes() == other[name].tobytes() for name in one):
        return -1.0
    return max(
        float(np.max(np.abs(value - other[name])) / max(np.max(np.abs(value)), 1e-300))
        for name, value in one.items()
        if value.size
    )


def trained(framework: str, case: Case, folder: Path, execution: str) -> dict[str, np.ndarray]:
    """Losses, norms, weights and moments of a run."""
    overrides = [
        *case.overrides,
        f"training.steps={STEPS}",
        "training.log_every=1",
        "training.recompute=true",
        f"training.execution={execution}",
    ]
    spec = load_spec(case.spec, overrides)
    run = spec_run(find_backend(framework)(), spec, folder, device="cpu", quiet=True)
    logged = [record for record in run.train() if record["split"] == "train"]
    found = {
        f"{field} of step {record['step']}": np.float64(record[field])
        for record in logged
        for field in ("loss", "gradient_norm")
    }
    saved = CheckpointStore(RunDirectory(folder).checkpoints).latest()
    assert saved is not None
    for part in (saved.weights(), saved.optimizer()):
        found |= {name: np.array(part[name]) for name in part}
    return found


if __name__ == "__main__":
    main()
