"""Tensors come out of everybody's files as they are there, one in memory at a time; damage is refused by name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from bundles import write_bundle
from hostile_containers import FILES
from zoo_common.containers import FORMATS, hdf5_file, open_container
from zoo_common.containers.safetensors_writing import tensor_chunks
from zoo_spec.errors import InputError

SUPPORT = Path(__file__).parents[1] / "support"


def arrays() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {
        "a/kernel": draw.normal(size=(3, 4, 2)).astype(np.float32),
        "a/bias": draw.normal(size=4),
        "half": draw.normal(size=(2, 5)).astype(np.float16),
        "short": draw.normal(size=(5, 2)).astype(ml_dtypes.bfloat16),
        "step": np.array(7, np.int64),
        "flags": np.array([True, False]),
        "none": np.zeros((0, 3), np.float32),
    }


def safetensors(folder: Path) -> Path:
    save_file(arrays(), folder / "model.safetensors", metadata={"format": "pt"})
    return folder / "model.safetensors"


def sharded(folder: Path) -> Path:
    first = dict(list(arrays().items())[:3])
    second = {name: array for name, array in arrays().items() if name not in first}
    for name, part in (("a.safetensors", first), ("b.safetensors", second)):
        save_file(part, folder / name)
    places = {name: "a.safetensors" if name in first else "b.safetensors" for name in arrays()}
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return path


def legacy_h5(folder: Path) -> Path:
    path = folder / "tf_model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"bert", b"dropout"])
        names = [name.encode() for name in arrays()]
        file.create_group("dropout").attrs["weight_names"] = np.zeros(0, "S1")
        group = file.create_group("bert")
        group.attrs["weight_names0"], group.attrs["weight_names1"] = np.array(names[:3]), np.array(names[3:])
        for name, array in arrays().items():
            _set(group, name, array)
    return path


def keras_h5(folder: Path) -> Path:
    path = folder / "model.weights.h5"
    with h5py.File(path, "w") as file:
        for name, array in arrays().items():
            _set(file, name, array)
    return path


def _set(group: h5py.Group, name: str, array: np.ndarray) -> None:
    group[name] = array
    if array.dtype == ml_dtypes.bfloat16:  # As Keras does.
        group[name].attrs["dtype"] = "bfloat16"


def bundle(folder: Path) -> Path:
    return write_bundle(folder / "model.ckpt-7", arrays())


def npz(folder: Path) -> Path:
    np.savez(folder / "model.npz", **arrays())
    return folder / "model.npz"


def compressed(folder: Path) -> Path:
    np.savez_compressed(folder / "model.npz", **arrays())
    return folder / "model.npz"


WRITERS = {
    "safetensors": safetensors,
    "sharded": sharded,
    "h5": legacy_h5,
    "keras_h5": keras_h5,
    "tensor_bundle": bundle,
    "npz": npz,
    "npz, compressed": compressed,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_names_dtypes_shapes_and_values_as_they_are_there(kind, tmp_path):
    path = WRITERS[kind](tmp_path)
    with open_container(path) as found:
        assert found.format == kind.partition(",")[0]
        assert set(found) == set(arrays())
        for name, expected in arrays().items():
            array = found[name]
            assert (found.entries[name].dtype, found.entries[name].shape) == (
                expected.dtype.name,
                expected.shape,
            )
            assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
            assert array.tobytes() == expected.tobytes()
            assert array.flags.writeable
            assert array.flags.c_contiguous


@pytest.mark.parametrize("kind", WRITERS)
def test_the_name_of_a_file_says_nothing(kind, tmp_path):
    if kind in ("sharded", "tensor_bundle"):
        pytest.skip("its other files are found by its name")
    path = WRITERS[kind](tmp_path).rename(tmp_path / "weights.bin")
    assert open_container(path).format == kind.partition(",")[0]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_is_cut_short_is_refused_wherever_that_is(kind, tmp_path):
    whole = WRITERS[kind](tmp_path)
    # HDF5's library is started anew for each; it compares the length first of all.
    steps = 10 if "h5" in kind else 50
    for path in [each for each in tmp_path.iterdir() if each.is_file()]:
        content = path.read_bytes()
        for step in range(steps):
            path.write_bytes(content[: len(content) * step // steps])
            with pytest.raises(InputError) as error, open_container(whole) as found:
                dict(found)
            assert str(tmp_path) in str(error.value)
        path.write_bytes(content)
    assert len(open_container(whole)) == len(arrays())


def test_every_bit_of_a_bundle_is_guarded(tmp_path):
    prefix = bundle(tmp_path)
    for path in list(tmp_path.iterdir()):
        content = path.read_bytes()
        for at in range(len(content)):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
            try:
                with open_container(prefix) as found:
                    same = {name: array.tobytes() for name, array in found.items()}
            except InputError:
                continue
            # The footer's padding and its handle of an empty block say nothing.
            assert same == {name: array.tobytes() for name, array in arrays().items()}, at
        path.write_bytes(content)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, dict]:
    """What became of every hostile file, in a process with a gigabyte to use."""
    folder = tmp_path_factory.mktemp("hostile")
    script = [sys.executable, SUPPORT / "hostile_containers.py", folder]
    done = subprocess.run(script, capture_output=True, text=True, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not list(folder.rglob("canary"))
    return {found["what"]: found for found in map(json.loads, done.stdout.splitlines())}


@pytest.mark.skipif(sys.platform != "linux", reason="bounds memory by setrlimit")
@pytest.mark.parametrize("what", FILES)
def test_a_hostile_file_is_refused_in_one_line_that_names_it(what, outcomes):
    found = outcomes[what]
    assert found["status"] == 2, found
    assert found["text"].startswith(found["path"])
    assert "\n" not in found["text"]
    assert len(found["text"]) < 1500
    assert "memory" not in found["text"]
    found = outcomes[f"{what}, imported"]
    assert (found["status"], found["made"]) == (2, False), found
    assert found["path"] in found["text"]
    assert "memory" not in found["text"]
    assert "no configuration that says of what" not in found["text"]


def test_a_file_over_which_hdf5s_library_crashes_is_refused(tmp_path, monkeypatch):
    script = tmp_path / "crash.py"
    script.write_text("import os\nos.abort()\n")
    monkeypatch.setattr(hdf5_file, "_SCRIPT", script)
    with pytest.raises(InputError, match=r"model.weights.h5: makes HDF5's library fail"):
        open_container(keras_h5(tmp_path))


def test_what_is_no_container_is_refused(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(InputError, match="there is no such file or folder"):
        open_container(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="holds no tensors in a form that is read here"):
        open_container(path)
    with pytest.raises(InputError, match="holds no tensors"):
        open_container(tmp_path)


def test_every_format_is_tried(tmp_path):
    named = {kind.partition(",")[0] for kind in WRITERS}
    assert named <= set(FORMATS)


def test_numbers_in_paths_are_sorted_as_numbers(tmp_path):
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        for index in range(12):
            group = file.create_group(f"layers/dense{f'_{index}' if index else ''}/vars")
            group.attrs["name"] = f"called_{index}"
            group["0"] = np.full(2, index, np.float32)
    found = open_container(path)
    assert [int(array[0]) for array in found.values()] == list(range(12))
    assert found.layer_names["layers/dense_10/vars"] == "called_10"
    assert found.layer_names["layers/dense/vars"] == "called_0"


def test_arrays_of_other_byte_order_or_of_fortran_order_come_as_the_machine_has_them(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    foreign = {
        "big": values.astype(">f4"),
        "fortran": np.asfortranarray(values),
        "both": np.asfortranarray(values.astype(">f4")),
    }
    np.savez(tmp_path / "model.npz", **foreign)
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        for name, array in foreign.items():
            file[name] = array
    for path in ("model.npz", "model.weights.h5"):
        for array in open_container(tmp_path / path).values():
            assert array.dtype.isnative
            assert array.flags.c_contiguous
            np.testing.assert_array_equal(array, values)


@pytest.mark.parametrize(
    "given", ["model.ckpt-7", "model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001", "."]
)
def test_a_bundle_is_found_by_its_prefix_any_of_its_files_or_its_folder(given, tmp_path):
    bundle(tmp_path)
    assert set(open_container(tmp_path / given)) == set(arrays())


def test_of_several_bundles_in_a_folder_the_one_that_the_author_says_is_the_latest_counts(tmp_path):
    for step in (7, 8):
        write_bundle(tmp_path / f"model.ckpt-{step}", {"step": np.array(step)})
    with pytest.raises(
        InputError, match=r"has 2 checkpoints \(model.ckpt-7, model.ckpt-8\); name one of them"
    ):
        open_container(tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/home/author/run/model.ckpt-8"\n')
    assert open_container(tmp_path)["step"] == 8


def test_safetensors_are_written_as_the_library_reads_them(tmp_path):
    from safetensors import safe_open

    path = tmp_path / "x.safetensors"
    path.write_bytes(b"".join(map(bytes, tensor_chunks(arrays(), {"format": "pt"}))))
    with safe_open(path, "np") as found:
        assert found.metadata() == {"format": "pt"}
        for name, expected in arrays().items():
            assert found.get_tensor(name).tobytes() == expected.tobytes()
    assert open_container(path).metadata == {"format": "pt"}


MEASURE = """
import sys
from pathlib import Path
from zoo_common.containers import open_container

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) << 10

largest = 0
with open_container(Path(sys.argv[1])) as found:
    before = peak()
    for name in found:
        largest = max(largest, found.read(name).nbytes)
print(peak() - before, largest, sum(1 for _ in found))
"""


def memory_of(path: Path) -> tuple[int, int, int]:
    """What reading every tensor takes beyond what opening takes, the largest tensor, and their number."""
    done = subprocess.run([sys.executable, "-c", MEASURE, path], capture_output=True, text=True, check=True)
    used, largest, count = map(int, done.stdout.split())
    return used, largest, count


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory by /proc")
@pytest.mark.parametrize("kind", ["npz", "npz, compressed", "keras_h5", "tensor_bundle"])
def test_one_tensor_is_in_memory_at_a_time(kind, tmp_path, monkeypatch):
    each = np.random.default_rng(0).random((1 << 25) // 4, dtype=np.float32).astype(">f4")
    many = {f"layer_{index}": each[index:] for index in range(2)}
    if kind == "tensor_bundle":  # It is written in the machine's own order.
        many = {name: array.astype(np.float32) for name, array in many.items()}
    monkeypatch.setitem(globals(), "arrays", lambda: many)
    used, largest, count = memory_of(WRITERS[kind](tmp_path))
    assert (largest, count) == (each.nbytes, 2)
    assert used <= 1.3 * largest


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory by /proc")
def test_a_sharded_checkpoint_of_1_gb_is_read_with_one_tensor_in_memory(tmp_path):
    places, each = {}, 1 << 26
    for shard in range(4):
        names = [f"layer.{shard * 4 + index}.weight" for index in range(4)]
        header = {
            name: {
                "dtype": "F32",
                "shape": [each >> 12, 1024],
                "data_offsets": [index * each, (index + 1) * each],
            }
            for index, name in enumerate(names)
        }
        raw = json.dumps(header).encode()
        path = tmp_path / f"model-{shard}.safetensors"
        path.write_bytes(len(raw).to_bytes(8, "little") + raw)
        with path.open("rb+") as file:
            file.truncate(8 + len(raw) + 4 * each)
        places |= dict.fromkeys(names, path.name)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    used, largest, count = memory_of(index)
    assert (largest, count) == (each, 16)
    assert used <= 1.3 * largest
