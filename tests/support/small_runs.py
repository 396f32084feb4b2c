"""Run directories of tiny models, as training leaves them, with weights that give answers worth comparing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from small_models import probe_weights
from zoo_common.backend import find_backend
from zoo_common.checkpoint import CheckpointStore
from zoo_common.data.subwords.tokenizer import train
from zoo_common.training.feed import InputFn
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec
from zoo_spec.experiment import ExperimentSpec

TEXT = "The cat sat on the mat. The dog ran to the door, and the cat ran too. Time flies like an arrow.\n\n\n"

BERT = (
    "model.hidden_size=16",
    "model.num_heads=2",
    "model.intermediate_size=24",
    "model.vocab_size=120",
    "model.max_positions=32",
    "data.sequence_length=24",
    "data.max_predictions=4",
    "data.evaluation_fraction=0.3",
)


def text_file(folder: Path) -> Path:
    """A few documents to train a tokenizer and a model on."""
    file = folder / "text.txt"
    file.write_text(TEXT * 12, encoding="utf-8")
    return file


def bert_run(folder: Path, *overrides: str, framework: str = "torch", name: str = "bert_tiny") -> Path:
    """A run of a small BERT whose weights are of order one, so that its words are far from equally likely."""
    spec = load_spec(name, [*BERT, f"data.files=[{text_file(folder)}]", *overrides])
    return probed_run(spec, folder / "run", framework=framework)


def labelled_run(folder: Path, name: str, *overrides: str) -> Path:
    """A run of a small model of a task that people label, fed by hand, which knows its tokenizer from a file."""
    vocabulary = folder / "vocabulary.json"
    if not vocabulary.exists():
        train(TEXT.split(". ") * 12, 120, lower_case=True).tokenizer.save(str(vocabulary))
    data = f"data={{kind: text, vocabulary: {vocabulary}, sequence_length: 24}}"
    spec = load_spec(name, [*(each for each in BERT if not each.startswith("data.")), data, *overrides])
    sizes = {"batch": 2, "sequence": 8}
    batch = {
        name: np.zeros([sizes.get(size, size) for size in tensor.shape], tensor.dtype)
        for name, tensor in spec.graph().inputs.items()
        if name != "pooled_positions"
    }
    return probed_run(spec, folder / "run", input_fn=[batch])


def probed_run(
    spec: ExperimentSpec, directory: Path, *, framework: str = "torch", input_fn: InputFn | None = None
) -> Path:
    """A run of one step whose checkpoint then gets other weights."""
    training = spec.training.model_copy(update={"steps": 1, "batch_size": 2, "micro_batch_size": None})
    spec = spec.model_copy(update={"training": training})
    spec_run(find_backend(framework)(), spec, directory, device="cpu", quiet=True).train(input_fn)
    store = CheckpointStore(directory / "checkpoints")
    saved = store.latest()
    assert saved is not None
    store.save(1, probe_weights(spec.graph()), saved.optimizer(), saved.state, saved.spec_hash)
    return directory


def mnist_run(directory: Path, *overrides: str, framework: str = "torch", steps: int = 60) -> Path:
    """A run of the small digits' classifier that has learned most of them."""
    given = [f"training.steps={steps}", "model.hidden_sizes=[40]", *overrides]
    spec = load_spec("mnist_fc", given)
    spec_run(find_backend(framework)(), spec, directory, device="cpu", quiet=True).train()
    return directory
