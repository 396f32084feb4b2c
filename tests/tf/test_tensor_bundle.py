"""What TensorFlow writes as a checkpoint is read without it, and what it makes of ours is the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from bundles import write_bundle
from zoo_common.containers import open_container
from zoo_spec.errors import InputError


def tensors() -> dict[str, tf.Tensor]:
    draw = np.random.default_rng(0)
    many = {
        f"layer_{index}/kernel": tf.constant(draw.normal(size=(index % 5 + 1, 3)), tf.float32)
        for index in range(300)
    }
    return {
        **many,
        "global_step": tf.constant(7, tf.int64),
        "short": tf.constant(draw.normal(size=(3, 5)), tf.bfloat16),
        "half": tf.constant(draw.normal(size=(3, 5)), tf.float16),
        "none": tf.zeros((0, 3)),
        "flags": tf.constant([True, False]),
        "byte": tf.constant([1, 255], tf.uint8),
    }


def save(prefix: Path, values: dict[str, tf.Tensor], slices: str = "") -> None:
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(values),
        shape_and_slices=[slices] * len(values),
        tensors=list(values.values()),
    )


def assert_same(found, expected: dict[str, tf.Tensor]) -> None:
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        array = found[name]
        assert (array.dtype.name, array.shape) == (tensor.dtype.name, tuple(tensor.shape))
        assert array.tobytes() == tensor.numpy().tobytes()


def test_what_tensorflow_writes_is_read_bit_for_bit(tmp_path):
    save(tmp_path / "model.ckpt-7", tensors())
    assert_same(open_container(tmp_path / "model.ckpt-7"), tensors())


def test_a_checkpoint_in_several_data_files_is_read(tmp_path):
    values = tensors()
    names = list(values)
    parts = [{name: values[name] for name in names[start::3]} for start in range(3)]
    for index, part in enumerate(parts):
        save(tmp_path / f"part{index}", part)
    prefixes = [str(tmp_path / f"part{index}") for index in range(3)]
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=prefixes, destination_prefix=str(tmp_path / "model.ckpt")
    )
    assert len(list(tmp_path.glob("model.ckpt.data-*"))) == 3
    assert_same(open_container(tmp_path / "model.ckpt"), values)
    (tmp_path / "model.ckpt.data-00001-of-00003").unlink()
    with pytest.raises(InputError, match=r"model.ckpt.data-00001-of-00003: there is no such file"):
        open_container(tmp_path / "model.ckpt")


def test_an_index_of_several_blocks_is_read(tmp_path):
    draw = np.random.default_rng(0)
    names = ["".join(map(chr, draw.integers(97, 123, 90))) for _ in range(3000)]
    values = {name: tf.constant(draw.normal(size=2)) for name in names}
    save(tmp_path / "x", values)
    assert (tmp_path / "x.index").stat().st_size > 262_144  # TensorFlow's size of a block.
    assert_same(open_container(tmp_path / "x"), values)


def test_texts_are_named_and_not_read(tmp_path):
    save(tmp_path / "x", {"words": tf.constant(["a", "b"]), "kernel": tf.constant([1.0])})
    found = open_container(tmp_path / "x")
    assert found.not_tensors == ["words"]
    assert {name: array.tolist() for name, array in found.items()} == {"kernel": [1.0]}


def test_variables_in_partitions_and_checkpoints_of_objects_are_refused_by_name(tmp_path):
    save(tmp_path / "x", {"table": tf.zeros((5, 4))}, "10 4 0,5:0,4")
    with pytest.raises(InputError, match="table is a variable in partitions"):
        open_container(tmp_path / "x")
    tf.train.Checkpoint(w=tf.Variable([1.0])).write(str(tmp_path / "y"))
    with pytest.raises(InputError, match="is a checkpoint of objects"):
        open_container(tmp_path / "y")


def test_tensorflow_reads_the_bundles_that_the_damage_is_planted_in(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b/c": np.array(3, np.int64)}
    found = tf.train.load_checkpoint(str(write_bundle(tmp_path / "x", arrays)))
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.get_tensor(name), array)


def test_no_framework_is_loaded_to_read_one(tmp_path):
    save(tmp_path / "x", tensors())
    script = (
        "import sys; from pathlib import Path; from zoo_common.containers import open_container; "
        "dict(open_container(Path(sys.argv[1]))); "
        "print([each for each in ('tensorflow', 'torch', 'keras', 'google.protobuf') if each in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "x"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
