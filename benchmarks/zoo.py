"""Train every small spec in both frameworks, on the data that it has by default, and hold it against a blind answer.

``make zoo`` runs it and writes ``docs/zoo.md``. Each spec is trained by its own file, with the commands that a user
has; its metric on what was held out has to beat, by the margin below, the answer that does not look at the input
(``zoo eval --baseline``), in both frameworks. Exit status 1 if one does not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measure import processor

FRAMEWORKS = ("torch", "tf")


@dataclass(frozen=True)
class Wanted:
    """How much better than blind a spec has to be; ``blind`` where nobody can say it from the labels alone."""

    metric: str
    margin: float
    blind: float | None = None
    lower: bool = False


WANTED: dict[str, Wanted] = {
    "bert_tiny": Wanted("loss", 0.1, lower=True),
    "ernie_tiny": Wanted("loss", 0.1, lower=True),
    "roberta_tiny": Wanted("loss", 0.1, lower=True),
    "linformer_tiny": Wanted("loss", 0.1, lower=True),
    "gpt2_tiny": Wanted("loss", 0.3, lower=True),
    "gpt3_tiny": Wanted("loss", 0.3, lower=True),
    "gptj_tiny": Wanted("loss", 0.3, lower=True),
    "gpt_neox_tiny": Wanted("loss", 0.3, lower=True),
    "t5_tiny": Wanted("loss", 0.2, lower=True),
    "bert_tiny_classification": Wanted("accuracy", 0.2),
    "gpt2_tiny_classification": Wanted("accuracy", 0.2),
    "bert_tiny_multi_label": Wanted("f1", 0.2),
    "bert_tiny_regression": Wanted("correlation", 0.3),
    "bert_tiny_ner": Wanted("entity_f1", 0.3),
    "bert_tiny_squad": Wanted("f1", 0.2),
    "bert_tiny_summarization": Wanted("f1", 0.2),
    "gpt2_tiny_summarization": Wanted("accuracy", 0.2),
    "transformer_tiny": Wanted("accuracy", 0.5),
    "vit_tiny": Wanted("accuracy", 0.6),
    "mnist_fc": Wanted("accuracy", 0.6),
    "unet_tiny": Wanted("mean_iou", 0.3),
    "unet_tiny_residual": Wanted("iou", 0.3),
    # Who hears nothing writes nothing: every word is missing.
    "hubert_tiny_ctc": Wanted("word_error_rate", 0.5, blind=1.0, lower=True),
    "hubert_tiny_units": Wanted("accuracy", 0.2),
}


@dataclass(frozen=True)
class Trained:
    """What a framework made of a spec."""

    value: float
    blind: float | None
    seconds: float


def train(spec: str, framework: str, folder: Path, wanted: Wanted) -> Trained:
    """Train and evaluate with the commands that a user has; the seconds are those of ``zoo train`` as a whole."""
    run = folder / f"{spec}-{framework}"
    common = ["--framework", framework, "--run-dir", str(run)]
    start = time.perf_counter()
    _zoo("train", "--spec", spec, *common)
    seconds = time.perf_counter() - start
    found = json.loads(_zoo("eval", *common, "--baseline", "--json"))
    blind = wanted.blind if wanted.blind is not None else found["baseline"].get(wanted.metric)
    return Trained(found[wanted.metric], blind, seconds)


def _zoo(*arguments: str) -> str:
    command = [sys.executable, "-m", "zoo_common.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(f"zoo {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def beats(wanted: Wanted, trained: Trained) -> bool:
    """Whether the margin is kept."""
    if trained.blind is None:
        return False
    gain = trained.value - trained.blind
    return (-gain if wanted.lower else gain) >= wanted.margin


def table(rows: dict[str, dict[str, Trained]]) -> str:
    """The page."""
    from zoo_spec import load_spec

    lines = [
        "# What the small specs learn",
        "",
        "Each is trained as its file says, on the data that it has by default, with no download (`make zoo`), and",
        "evaluated on what was held out. *Blind* is the answer that does not look at its input: every label by its",
        "share in training (`zoo eval --baseline`). Seconds are those of the whole `zoo train`, imports and all, on",
        f"{processor()}, whose load was {os.getloadavg()[2]:.0f} at the end; what shares it makes them longer.",
        "",
        "| spec | task | data | metric | blind | PyTorch | TensorFlow | seconds, PyTorch | TensorFlow |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in rows.items():
        spec, wanted = load_spec(name), WANTED[name]
        one, other = (found[framework] for framework in FRAMEWORKS)
        blind = "?" if one.blind is None else f"{one.blind:.3f}"
        lines.append(
            f"| `{name}` | {spec.task.kind} | {spec.data.kind} | {wanted.metric} | {blind} | {one.value:.3f} | "
            f"{other.value:.3f} | {one.seconds:.0f} | {other.seconds:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(WANTED), help="these specs alone")
    parser.add_argument("--write", type=Path, help="write the page here")
    given = parser.parse_args()
    rows: dict[str, dict[str, Trained]] = {}
    passed = True
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        for name in given.only or WANTED:
            wanted = WANTED[name]
            rows[name] = {}
            for framework in FRAMEWORKS:
                trained = rows[name][framework] = train(name, framework, Path(folder), wanted)
                good = beats(wanted, trained)
                passed &= good
                print(
                    f"{name:<28}{framework:<6}{wanted.metric} {trained.value:.4f}, blind {trained.blind}, "
                    f"{trained.seconds:.0f} s: {'pass' if good else 'FAIL'} (margin {wanted.margin})",
                    flush=True,
                )
    if given.write is not None:
        given.write.write_text(table(rows), "utf-8")
    sys.exit(not passed)


if __name__ == "__main__":
    main()
