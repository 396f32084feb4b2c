"""How fast records are read: in their order against ``tf.data``, in any order against ``datasets``, in one run.

``python benchmarks/reading.py`` makes its files itself. Each way gives all texts and the label of a row as Python's
own strings, or an image's pixels as an array, and has one thread to decode in. A row of a further format is a
function here that gives its ways, and a name in ``FORMATS`` with its number of records.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

from measure import Row, alternate, finish, processor, ratio

from zoo_common.data.records import Records, open_records
from zoo_common.data.sources.tfrecord import write_tfrecords
from zoo_spec.data import ImageFolder, TextTable, TfRecordData
from zoo_spec.data.records import LabelledImage

LIMIT = 1.0
ROUNDS = 5
ROWS = 30_000
RECORDS = 5_000
IMAGES = 200
Ways = dict[str, Callable[[], object]]
"""``ours``, ``ours, in any order``, ``datasets, in any order`` where it reads the format, and ``tf.data``."""


def main() -> None:
    print(processor())
    rows = []
    for name, (make, count) in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            times = alternate(make(Path(folder)), ROUNDS)
        in_order, any_order = "ours", "ours, in any order"
        rows += [
            Row(f"{name}: records a second in order / tf.data's", ratio(times, "tf.data", in_order), LIMIT,
                at_least=True),
            *(Row(f"{name}: records a second in any order / datasets'", ratio(times, way, any_order), LIMIT,
                  at_least=True) for way in times if way == "datasets, in any order"),
            *(Row(f"{name}: {way}", count / sorted(seconds)[len(seconds) // 2], None, "a second")
              for way, seconds in times.items()),
        ]  # fmt: skip
    finish(rows)


def read(records: Records, order: list[int]) -> None:
    for index in order:
        records[index]


def shuffled(count: int) -> list[int]:
    order = list(range(count))
    random.Random(1).shuffle(order)
    return order


def tsv(folder: Path) -> Ways:
    """Two sentences of some 20 words and a label a row, as MNLI has them."""
    import datasets
    import tensorflow as tf

    draw, path = random.Random(0), folder / "a.tsv"
    words = ["".join(draw.choices("aeioubdklmnrst", k=draw.randint(2, 9))) for _ in range(5000)]
    with path.open("w", encoding="utf-8") as file:
        file.write("index\tsentence1\tsentence2\tlabel\n")
        for number in range(ROWS):
            first, second = (" ".join(draw.choices(words, k=draw.randint(5, 35))) for _ in range(2))
            file.write(f"{number}\t{first}\t{second}\t{draw.choice('abc')}\n")
    text = ("sentence1", "sentence2")
    table = TextTable(files=str(path), text=text, label="label", evaluation_fraction=0.0)
    ours = open_records(table, "train", lambda record: None)
    datasets.disable_progress_bars()
    other = datasets.load_dataset(
        "csv", data_files=str(path), delimiter="\t", quoting=3, cache_dir=str(folder / "cache"), split="train"
    )
    order = shuffled(ROWS)
    lines = tf.data.TextLineDataset(str(path)).skip(1).map(lambda line: tf.strings.split(line, "\t"))
    lines = lines.prefetch(tf.data.AUTOTUNE)
    return {
        "ours": lambda: read(ours, list(range(ROWS))),
        "ours, in any order": lambda: read(ours, order),
        "datasets, in any order": lambda: [other[index] for index in order],
        "tf.data": lambda: [[cell.decode() for cell in row] for row in lines.as_numpy_iterator()],
    }


def tfrecord(folder: Path) -> Ways:
    """BERT's examples of 128 tokens, all seven features, as arrays."""
    import numpy as np
    import tensorflow as tf

    draw, path = np.random.default_rng(0), folder / "a.tfrecord"
    sizes = {"input_ids": 128, "input_mask": 128, "segment_ids": 128, "masked_lm_positions": 20}
    sizes |= {"masked_lm_ids": 20, "next_sentence_labels": 1}

    def example() -> dict[str, np.ndarray]:
        numbers = {
            name: draw.integers(0, 30_000 if name.endswith("ids") else 2, size)
            for name, size in sizes.items()
        }
        return {**numbers, "masked_lm_weights": np.ones(20, np.float32)}

    write_tfrecords(path, (example() for _ in range(RECORDS)))
    ours = open_records(
        TfRecordData(files=(str(path),), evaluation_fraction=0.0), "train", lambda record: None
    )
    order = shuffled(RECORDS)
    features = {name: tf.io.FixedLenFeature([size], tf.int64) for name, size in sizes.items()}
    features["masked_lm_weights"] = tf.io.FixedLenFeature([20], tf.float32)
    parsed = tf.data.TFRecordDataset(str(path)).map(
        lambda record: tf.io.parse_single_example(record, features)
    )
    parsed = parsed.prefetch(tf.data.AUTOTUNE)
    return {
        "ours": lambda: read(ours, list(range(RECORDS))),
        "ours, in any order": lambda: read(ours, order),
        "tf.data": lambda: list(parsed.as_numpy_iterator()),
    }


def image_folder(folder: Path) -> Ways:
    """JPEGs of 500 by 375 pixels in two folders, about as large as ImageNet's."""
    import datasets
    import numpy as np
    import tensorflow as tf
    from PIL import Image

    draw = np.random.default_rng(0)
    for number in range(IMAGES):
        path = folder / "images" / "ab"[number % 2]
        path.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(draw.integers(0, 256, (47, 63, 3), np.uint8))
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(path / f"{number:04}.jpg", quality=90)
    data = ImageFolder(directory=str(folder / "images"), evaluation_fraction=0.0)
    ours = open_records(data, "train", lambda record: None)

    def pixels(order: list[int]) -> None:
        for index in order:
            record = cast(LabelledImage, ours[index])
            record.image.pixels(3)

    datasets.disable_progress_bars()
    other = datasets.load_dataset(
        "imagefolder", data_dir=str(folder / "images"), cache_dir=str(folder / "cache"), split="train"
    )
    order = shuffled(IMAGES)
    files = tf.data.Dataset.list_files(str(folder / "images" / "*" / "*.jpg"), shuffle=False)
    decoded = files.map(lambda path: tf.io.decode_jpeg(tf.io.read_file(path), channels=3))
    return {
        "ours": lambda: pixels(list(range(IMAGES))),
        "ours, in any order": lambda: pixels(order),
        "datasets, in any order": lambda: [
            np.asarray(other[index]["image"].convert("RGB")) for index in order
        ],
        "tf.data": lambda: list(decoded.as_numpy_iterator()),
    }


FORMATS = {"TSV": (tsv, ROWS), "TFRecord": (tfrecord, RECORDS), "image folder": (image_folder, IMAGES)}


if __name__ == "__main__":
    main()
