"""What a run on large files of records takes before its first batch, and in memory, at its first and second start.

``python benchmarks/large_records.py --gigabytes 10 tsv jsonl tfrecord`` makes its files itself, in a temporary
folder, and one of 10 MB beside each, which says what of the memory is the program's own. Memory is what a process
holds by itself (anonymous), at its highest: files that are mapped are the system's, which takes them back when it
needs room.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import Row, finish, in_process, processor

from zoo_common.data import batch, open_dataset
from zoo_common.data.sources.tfrecord import write_tfrecords
from zoo_spec import load_spec

SECONDS, MEGABYTES, GROWTH = 30.0, 1024.0, 150.0
BATCHES, ROWS = 200, 32
SMALL = 10_000_000
WORDS = [f"w{number}" for number in range(5000)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(MAKERS)}; all where none is named")
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument(
        "--start", nargs=2, metavar=("KIND", "FOLDER"), help="be one start, and tell what it took"
    )
    asked = parser.parse_args()
    if asked.start:
        print(json.dumps(started(asked.start[0], Path(asked.start[1]))))
        return
    print(processor())
    rows: list[Row] = []
    for kind in asked.kinds or MAKERS:
        with tempfile.TemporaryDirectory() as folder:
            small, large = Path(folder) / "small", Path(folder) / "large"
            for place, size in ((small, SMALL), (large, round(asked.gigabytes * 1e9))):
                place.mkdir()
                MAKERS[kind](place / f"a.{kind}", size)
            rows += compared(
                kind, start(kind, small), start(kind, large), start(kind, large), asked.gigabytes
            )
    finish(rows)


def compared(
    kind: str, small: dict[str, float], first: dict[str, float], second: dict[str, float], gigabytes: float
) -> list[Row]:
    what = f"{kind}, {gigabytes:g} GB"
    return [
        Row(f"{what}: first start, until the first batch", first["seconds"], None, "s"),
        Row(f"{what}: second start, until the first batch", second["seconds"], SECONDS, "s"),
        Row(f"{what}: memory of the first start", first["megabytes"], MEGABYTES, "MB"),
        Row(f"{what}: memory of the second start", second["megabytes"], MEGABYTES, "MB"),
        Row(f"{what}: the first, beyond 10 MB's", first["megabytes"] - small["megabytes"], GROWTH, "MB"),
        Row(f"{what}: the second, beyond 10 MB's", second["megabytes"] - small["megabytes"], GROWTH, "MB"),
        Row(f"{what}: files mapped by the second", second["mapped"], None, "MB"),
        Row(f"{what}: records", second["records"] / 1e6, None, "million"),
    ]  # fmt: skip


def start(kind: str, folder: Path) -> dict[str, float]:
    return in_process(Path(__file__).name, "--start", kind, str(folder))


def started(kind: str, folder: Path) -> dict[str, float]:
    highest = [0.0]
    threading.Thread(target=watched, args=(highest,), daemon=True).start()
    spec = load_spec(*asked_of(kind, folder))
    begin = time.perf_counter()
    dataset = open_dataset(spec, folder / "run", "train")
    batch(dataset, 0, 0, ROWS)
    seconds = time.perf_counter() - begin
    for step in range(1, BATCHES):
        batch(dataset, 0, step, ROWS)
    highest[0] = max(highest[0], memory("RssAnon"))
    return {
        "seconds": seconds,
        "megabytes": highest[0],
        "mapped": memory("RssFile"),
        "records": len(dataset),
    }


def watched(highest: list[float]) -> None:
    while True:
        highest[0] = max(highest[0], memory("RssAnon"))
        time.sleep(0.05)


def memory(what: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{what}:"))


def asked_of(kind: str, folder: Path) -> tuple[str, list[str]]:
    files = [str(folder / f"a.{kind}")]
    if kind == "tfrecord":
        return "bert_tiny_classification", [
            "task.classes=2",
            f"data={json.dumps({'kind': 'tfrecord', 'files': files})}",
        ]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS[:900]]) + "\n")
    data = {
        "kind": "text_table",
        "files": files,
        "text": "text",
        "label": "label",
        "vocabulary": str(vocabulary),
        "sequence_length": 48,
    }
    return "bert_tiny_classification", ["task.classes=2", f"data={json.dumps(data)}"]


def texts(size: int, most: int) -> Iterator[tuple[str, str]]:
    """Texts of ten to fifty words with labels, of so many bytes together."""
    draw, written = random.Random(0), 0
    many = [" ".join(draw.choices(WORDS, k=draw.randint(10, 50))) for _ in range(20_000)]
    while written < size:
        text = draw.choice(many)
        written += len(text) + most
        yield text, draw.choice("ab")


def tsv(path: Path, size: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("text\tlabel\n")
        file.writelines(f"{text}\t{label}\n" for text, label in texts(size, 3))


def jsonl(path: Path, size: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f'{{"text": "{text}", "label": "{label}"}}\n' for text, label in texts(size, 28))


def tfrecord(path: Path, size: int) -> None:
    """Examples as google-research/bert writes them, of 128 tokens."""
    ids = np.arange(128)
    example = {"input_ids": ids, "example_ids": np.ones_like(ids), "segment_ids": np.zeros_like(ids)}
    write_tfrecords(path, ({**example, "label_ids": np.asarray([number % 2])} for number in range(1000)))
    thousand = path.read_bytes()
    with path.open("ab") as file:
        for _ in range(size // len(thousand)):
            file.write(thousand)


MAKERS = {"tsv": tsv, "jsonl": jsonl, "tfrecord": tfrecord}


if __name__ == "__main__":
    sys.exit(main())
