"""What an import costs beyond what it cannot do without: reading the published file, and writing our checkpoint.

``python benchmarks/importing.py`` makes a folder of BERT-base, 438 MB, and imports it in turn with reading its
tensors one after the other and writing a checkpoint of the same weights. It takes 2 GB of disk.
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
from pathlib import Path

from measure import Row, alternate, finish, ratio

from zoo_common.checkpoint import CheckpointStore
from zoo_common.containers import open_container
from zoo_common.containers.safetensors_writing import tensor_chunks
from zoo_common.interop import to_transformers
from zoo_common.published import import_published
from zoo_common.weights import InitialValues
from zoo_spec import load_spec

LIMIT = 1.5
ROUNDS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = make(folder / "hub")
        times = alternate(
            {
                "import": lambda: imported(folder),
                "read and write": lambda: read_and_written(folder, weights),
            },
            ROUNDS,
        )
    what = "importing BERT-base / reading its file and writing ours"
    seconds = {way: statistics.median(each) for way, each in times.items()}
    finish(
        [
            Row(what, ratio(times, "import", "read and write"), LIMIT),
            *(Row(f"{way}, BERT-base", each, None, "s") for way, each in seconds.items()),
        ]
    )


def make(folder: Path) -> dict:
    """A folder as ``save_pretrained`` writes it; gives the weights."""
    folder.mkdir()
    spec = load_spec("bert_base", ["task={kind: masked_lm_next_sentence}"])
    weights = dict(InitialValues(spec.graph().parameters(), 0))
    tensors = to_transformers(spec, weights)
    for tied in ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias"):
        del tensors[tied]
    with (folder / "model.safetensors").open("wb") as file:
        file.writelines(tensor_chunks(tensors))
    table = spec.model.foreign_configs()["transformers"]
    config = table.write(spec.model.model_dump(mode="json", serialize_as_any=True))
    config["architectures"] = ["BertForPreTraining"]
    (folder / "config.json").write_text(json.dumps(config))
    return weights


def imported(folder: Path) -> None:
    import_published(folder / "hub", folder / "run")
    shutil.rmtree(folder / "run")


def read_and_written(folder: Path, weights: dict) -> None:
    with open_container(folder / "hub" / "model.safetensors") as file:
        for name in file:
            file.read(name)
    (folder / "ours").mkdir()
    CheckpointStore(folder / "ours" / "checkpoints").save(0, weights, {}, {"step": 0}, "")
    shutil.rmtree(folder / "ours")


if __name__ == "__main__":
    main()
