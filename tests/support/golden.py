"""Golden files: what each shipped spec means. A change of meaning shows in a review as a change of these.

``python tests/support/golden.py`` writes them anew.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from distinct import representatives
from models import training_model
from zoo_common.data import batch, open_dataset
from zoo_common.training.loop import train_on
from zoo_spec import list_specs, load_spec
from zoo_spec.shrink import shrunk

FOLDER = Path(__file__).parent.parent / "golden"
STEPS = 3


def golden(name: str) -> dict:
    """The resolved spec, the parameter table (the first and last names, and a hash of all) and first losses."""
    spec = load_spec(name)
    table = [
        f"{name} {list(parameter.shape)} {parameter.role} {parameter.initializer.model_dump_json()}"
        for name, parameter in spec.graph().parameters().items()
    ]
    return {
        "resolved": spec.resolved(),
        "parameters": spec.graph().parameter_count,
        "table": {"first": table[0], "last": table[-1], "sha256": _hash("\n".join(table))},
        "first_losses": first_losses(representatives()[name], "torch"),
    }


@cache
def first_losses(name: str, framework: str) -> list[float]:
    """The losses of the first steps in float64, at the small size, with dropout that is the same everywhere.

    None where there is no loss.
    """
    spec = shrunk(load_spec(name))
    if not spec.graph().loss_parts:
        return []
    changes = {"precision": "float64", "random": "portable", "batch_size": 4, "micro_batch_size": None}
    training = spec.training.model_copy(update=changes)
    graph, dataset = spec.graph(), open_dataset(spec, None, "train")
    backend = training_model(framework, graph, training)
    return [
        float(train_on(backend, graph, training, batch(dataset, training.seed, index, 4), index).result.loss)
        for index in range(STEPS)
    ]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write() -> None:
    """Write all golden files, and delete those of specs that are gone."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for name in list_specs():
        text = json.dumps(golden(name), indent=1) + "\n"
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
