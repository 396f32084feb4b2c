"""Examples that were made elsewhere, in every form of file, feed the inputs that they are meant for."""

import gzip
import struct
import zlib

import h5py
import numpy as np
import pytest

from zoo_common.containers.crc32c import masked_crc32c
from zoo_common.data import batch, open_dataset
from zoo_common.data.file_marks import sources
from zoo_common.data.sources.tf_example import read_example, write_example
from zoo_common.data.sources.tfrecord import write_tfrecords
from zoo_spec import load_spec
from zoo_spec.errors import InputError

LENGTH, COUNT = 12, 7


def causal(index):
    """A GPT example of the Cerebras Model Zoo."""
    draw = np.random.default_rng(index)
    ids = draw.integers(5, 2000, LENGTH)
    mask = (np.arange(LENGTH) < draw.integers(4, LENGTH + 1)).astype(np.int64)
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": np.roll(ids, -1) * mask}


def write_hdf5(path, layout, **options):
    stacked = np.stack([np.stack([*causal(index).values()]) for index in range(COUNT)])
    with h5py.File(path, "w") as file:
        file.attrs["n_examples"] = COUNT
        if layout == "each":
            for index, example in enumerate(stacked):
                file[f"example_{index}"] = example
        else:
            file.create_dataset("data", data=stacked.astype(np.int32), **options)


def write_csv(path):
    rows = [",".join(f'"{value.tolist()}"' for value in causal(index).values()) for index in range(COUNT)]
    path.write_text("\n".join([",".join(causal(0)), *rows]) + "\n")


def write_meta(path):
    write_csv(path.with_name("train-0.csv"))
    path.write_text(f"train-0.csv {COUNT}\n")


def write_parquet(path):
    import pyarrow as pa
    from pyarrow import parquet

    columns = {name: [causal(index)[name].tolist() for index in range(COUNT)] for name in causal(0)}
    parquet.write_table(pa.table({**columns, "note": ["x"] * COUNT}), path, row_group_size=3)


def write_array_record(path):
    from array_record.python.array_record_module import ArrayRecordWriter

    writer = ArrayRecordWriter(str(path), "group_size:1")
    for index in range(COUNT):
        writer.write(write_example(causal(index)))
    writer.close()


def write_plain(path):
    assert write_tfrecords(path, map(causal, range(COUNT))) == COUNT


def packed(pack):
    def write(path):
        write_plain(path)
        path.write_bytes(pack(path.read_bytes()))

    return write


FORMS = {
    "tfrecord": ("tfrecord", "a.tfrecord", write_plain),
    "tfrecord, gzip": ("tfrecord", "a.tfrecord", packed(gzip.compress)),
    "tfrecord, zlib": ("tfrecord", "a.tfrecord", packed(zlib.compress)),
    "hdf5, an array each": ("hdf5", "a.h5", lambda path: write_hdf5(path, "each")),
    "hdf5, one array": ("hdf5", "a.h5", lambda path: write_hdf5(path, "one")),
    "hdf5, packed": (
        "hdf5",
        "a.h5",
        lambda path: write_hdf5(path, "one", chunks=(2, 2, 5), compression="gzip", shuffle=True),
    ),
    "csv": ("csv_records", "a.csv", write_csv),
    "csv, meta.dat": ("csv_records", "meta.dat", write_meta),
    "parquet": ("parquet_records", "a.parquet", write_parquet),
    "array_record": ("array_record", "a.array_record", write_array_record),
}


def spec_of(tmp_path, form, *changes, name="gpt2_tiny"):
    kind, file, write = FORMS[form]
    path = tmp_path / file
    write(path)
    return load_spec(
        name, [f"data={{kind: {kind}, files: '{path}', evaluation_fraction: 0.0}}", *changes]
    ), path


@pytest.mark.parametrize("form", FORMS)
def test_every_form_feeds_the_same_examples(tmp_path, form):
    spec, path = spec_of(tmp_path, form)
    dataset = open_dataset(spec, None, "train")
    assert len(dataset) == COUNT
    for index in (3, 0, COUNT - 1):  # In no order.
        example, wanted = dataset.example(1, index), causal(index)
        assert {name: value.dtype.name for name, value in example.items()} == {
            "input_ids": "int32",
            "example_ids": "int32",
            "labels": "int32",
            "label_weights": "float32",
        }
        for name, feature in (
            ("input_ids", "input_ids"),
            ("example_ids", "attention_mask"),
            ("labels", "labels"),
            ("label_weights", "attention_mask"),
        ):
            np.testing.assert_array_equal(example[name], wanted[feature])
    assert batch(dataset, 0, 0, 4)["input_ids"].shape == (4, LENGTH)
    assert path in {source.path for source in sources(spec.data)}


def test_the_names_of_google_research_feed_a_bert(tmp_path):
    """create_pretraining_data.py, write_instance_to_example_files."""
    example = {
        "input_ids": [2, 9, 4, 3, 0, 0],
        "input_mask": [1, 1, 1, 1, 0, 0],
        "segment_ids": [0, 0, 0, 1, 0, 0],
        "masked_lm_positions": [2, 0],
        "masked_lm_ids": [77, 0],
        "masked_lm_weights": [1.0, 0.0],
        "next_sentence_labels": [1],
    }
    path = tmp_path / "b.tfrecord"
    write_tfrecords(path, [{name: np.asarray(value) for name, value in example.items()}] * 2)
    spec = load_spec("bert_tiny", [f"data={{kind: tfrecord, files: {path}}}"])
    found = open_dataset(spec, None, "eval").example(0, 0)
    assert {name: value.tolist() for name, value in found.items()} == {
        "input_ids": example["input_ids"],
        "token_type_ids": example["segment_ids"],
        "example_ids": example["input_mask"],
        "masked_positions": [2, 0],
        "masked_ids": [77, 0],
        "masked_weights": [1.0, 0.0],
        "next_sentence_labels": 1,
    }


def test_names_of_ones_own_and_flat_images(tmp_path):
    path = tmp_path / "c.tfrecord"
    image = np.linspace(0, 1, 64, dtype=np.float32)
    write_tfrecords(path, [{"picture": image, "class": np.asarray([3])}] * 2)
    names = "{image: picture, labels: class}"
    spec = load_spec(
        "mnist_fc", [f"data={{kind: tfrecord, files: {path}, names: {names}}}", "model.image_size=[8, 8]"]
    )
    example = open_dataset(spec, None, "train").example(0, 0)
    np.testing.assert_array_equal(example["image"], image.reshape(8, 8, 1))
    assert example["labels"] == 3


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"labels": np.full(LENGTH, 10**6)},
            r"a\.tfrecord:3: the feature 'labels' holds 1e.06, and labels takes",
        ),
        ({"labels": np.full(LENGTH, -1)}, r"a\.tfrecord:3: .* holds -1"),
        ({"labels": np.full(LENGTH, 0.5)}, r"a\.tfrecord:3: .* holds a fraction"),
        ({"input_ids": np.ones(5, int)}, r"a\.tfrecord:3: .* has 5 values, and that of the first record 12"),
        ({"attention_mask": np.array([b"x"] * LENGTH)}, r"a\.tfrecord:3: .* numbers are expected"),
    ],
)
def test_a_record_that_does_not_fit_is_named(tmp_path, changed, said):
    examples = [causal(index) for index in range(COUNT)]
    examples[2] |= changed
    path = tmp_path / "a.tfrecord"
    write_tfrecords(path, examples)
    spec = load_spec("gpt2_tiny", [f"data={{kind: tfrecord, files: {path}}}"])
    with pytest.raises(InputError, match=said):
        open_dataset(spec, None, "train")
    skipping = load_spec(
        "gpt2_tiny", [f"data={{kind: tfrecord, files: {path}, on_bad_record: skip, bad_records: 0.2}}"]
    )
    assert len(open_dataset(skipping, None, "train")) == COUNT - 2  # One bad, one held out.


def damaged(data, how):
    first = 12 + struct.unpack("<Q", data[:8])[0] + 4
    return {
        "empty": b"",
        "text": b"input_ids,labels\n1,2\n" * 9,
        "cut in a record": data[: first + 40],
        "cut in a length": data[: first + 5],
        "a flipped bit": data[:40] + bytes([data[40] ^ 1]) + data[41:],
        "a flipped length": data[:first] + bytes([data[first] ^ 1]) + data[first + 1 :],
        "a huge length": struct.pack("<QI", 2**62, masked_crc32c(struct.pack("<Q", 2**62))) + data,
        "no example": _record(b"\xff\xff"),
        "a gzip that is cut": gzip.compress(data)[:-20],
    }[how]


def _record(data):
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("empty", "empty"),
        ("text", "record 1 is no TFRecord"),
        ("cut in a record", "record 2 would end beyond"),
        ("cut in a length", "record 2 is cut short"),
        ("a flipped bit", "record 1 is damaged: its checksum"),
        ("a flipped length", "record 2 is damaged: the checksum of its length"),
        ("a huge length", "record 1 has 4,611,686,018,427,387,904 bytes"),
        ("no example", "record 1 is no tf.train.Example"),
        ("a gzip that is cut", "ends too early"),
    ],
)
def test_a_damaged_tfrecord_is_one_line(tmp_path, how, said):
    path = tmp_path / "a.tfrecord"
    write_plain(path)
    path.write_bytes(damaged(path.read_bytes(), how))
    spec = load_spec("gpt2_tiny", [f"data={{kind: tfrecord, files: {path}}}"])
    with pytest.raises(InputError, match=said) as caught:
        open_dataset(spec, None, "train")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("form", [form for form in FORMS if "tfrecord" not in form and "meta" not in form])
@pytest.mark.parametrize("how", ["cut", "nothing", "noise"])
def test_damaged_files_of_other_forms_are_one_line(tmp_path, form, how):
    spec, path = spec_of(tmp_path, form)
    data = path.read_bytes()
    noise = np.random.default_rng(0).bytes(600)
    path.write_bytes({"cut": data[: len(data) // 2], "nothing": b"", "noise": noise}[how])
    if form == "csv" and how == "cut":
        # It ends within a row, or between two, which only ``meta.dat`` would tell.
        path.write_bytes(data[: data.rindex(b"[")])
    with pytest.raises(InputError, match=path.name):
        open_dataset(spec, None, "train")


def test_every_bit_of_an_array_record_is_watched_over(tmp_path):
    spec, path = spec_of(tmp_path, "array_record")
    data, refused = path.read_bytes(), 0
    clean = [open_dataset(spec, None, "train").example(0, index) for index in range(COUNT)]
    for at in [at for at, byte in enumerate(data) if byte][::23]:
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        try:
            found = open_dataset(spec, None, "train")
            assert len(found) == COUNT
            for index in range(COUNT):
                np.testing.assert_equal(found.example(0, index), clean[index])
        except InputError as error:
            refused += path.name in str(error)
    assert refused > 10


def test_meta_dat_counts_rows_and_names_neighbours_only(tmp_path):
    spec, path = spec_of(tmp_path, "csv, meta.dat")
    path.write_text(f"train-0.csv {COUNT + 1}\n")
    with pytest.raises(
        InputError, match=rf"has {COUNT} rows beside its header, and meta.dat says {COUNT + 1}"
    ):
        open_dataset(spec, None, "train")
    path.write_text("../train-0.csv 7\n")
    with pytest.raises(
        InputError, match=r"line 1 is \.\./train-0\.csv 7; each names a file that lies beside it"
    ):
        open_dataset(spec, None, "train")


@pytest.mark.parametrize("cell", ["__import__('os').system('true')", "[1, 2", "{}", "nan", '"x"'])
def test_a_cell_is_read_and_never_evaluated(tmp_path, cell):
    spec, path = spec_of(tmp_path, "csv")
    lines = path.read_text().splitlines()
    quoted = cell.replace('"', '""')
    lines[2] = (
        ",".join([f'"{quoted}"', *lines[2].split('","')[1:]]).rstrip('"')
        if cell == "never"
        else f'"{quoted}",1,1'
    )
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"a\.csv:?"):
        open_dataset(spec, None, "train")


def test_rows_of_an_hdf5_file_are_named(tmp_path):
    spec, _ = spec_of(tmp_path, "hdf5, one array", "data.rows=[input_ids, labels]")
    with pytest.raises(InputError, match=r"/data has the shape \[7, 3, 12\], .* set data.rows"):
        open_dataset(spec, None, "train")


def test_values_go_out_and_come_back():
    values = {
        "numbers": np.array([0, -1, 127, 128, 2**63 - 1, -(2**63)]),
        "floats": np.array([0.5, -1e-30, 3e38], np.float32),
        "texts": np.array([b"", b"\n\x01a", "ü".encode()], dtype=object),
        "none": np.zeros(0, np.int64),
    }
    found = read_example(write_example(values))
    assert {name: value.tolist() for name, value in found.items()} == {
        name: value.tolist() for name, value in values.items()
    }
