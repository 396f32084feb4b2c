"""Runs at step 1 that nobody trained, for benchmarks of what is done with a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def made_run(folder: Path, name: str, *overrides: str, optimizer: bool = True) -> Path:
    """A run of a shipped spec, its weights small random numbers; without ``optimizer`` that file is empty."""
    from zoo_common.data.file_marks import vocabulary_sources
    from zoo_common.training.origin import Claim, TrainedOn
    from zoo_common.training.run_storage import RunStorage
    from zoo_spec import load_spec

    spec = load_spec(name, [f"data.vocabulary={vocabulary(folder)}", *overrides])
    table, rng = spec.graph().parameters(), np.random.default_rng(0)

    def values(name: str) -> np.ndarray:
        if len(table[name].shape) > 1:
            return rng.standard_normal(table[name].shape, np.float32) * np.float32(0.02)
        return np.full(table[name].shape, name.endswith("weight"), np.float32)

    moments = spec.training.optimizer.moments if optimizer else ()
    storage = RunStorage(folder / name, quiet=True)
    claim = Claim(
        spec.fingerprint(), lambda known: TrainedOn.of("input_fn", vocabulary_sources(spec.data), known)
    )
    with storage.opened(spec.resolved(), {}, lambda file: spec.resolved(), claim):
        storage.store.save(
            1,
            {each: values(each) for each in table},
            {
                f"{each}/{moment}": np.zeros(table[each].shape, np.float32)
                for each in table
                for moment in moments
            },
            {
                "step": 1,
                "framework": "torch",
                "random": {"seed": spec.training.seed, "generator": spec.training.random},
            },
            spec.fingerprint(),
        )
    return storage.path


def vocabulary(folder: Path, size: int = 30_522) -> Path:
    """A BERT vocabulary of that size, most of it words that no text has."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *map(chr, range(33, 127)), *["the", "cat", "sat", "on", "mat"]]
    words += [f"word{number}" for number in range(size - len(words))]
    file = folder / "vocab.txt"
    file.write_text("\n".join(words) + "\n", encoding="utf-8")
    return file
