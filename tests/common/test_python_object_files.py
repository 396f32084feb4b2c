"""Files that hold Python objects: what torch and Paddle write comes out value by value, whatever lies how in it."""

from __future__ import annotations

import argparse
import collections
import json
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch

from zoo_common.containers import open_container
from zoo_common.containers.inert import StandIn, plain
from zoo_common.containers.strided import read_view
from zoo_spec.errors import InputError

# Nobody's two values are equal, so that a value in another's place shows.
BASE = torch.arange(60.0).reshape(5, 12)
TENSORS = {
    "whole": BASE,
    "transposed": BASE.t(),
    "columns": BASE[:, 3:7:2],
    "row": BASE[2],
    "permuted": torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
    "repeated": torch.ones(1).expand(4),
    "scalar": torch.tensor(3.5),
    "none": torch.zeros(0, 3),
    "bool": torch.tensor([True, False, True]),
    "int64": torch.arange(5),
    "uint8": torch.arange(5, dtype=torch.uint8),
    "float16": torch.arange(7.0).half() / 3,
    "float64": torch.arange(7.0).double() / 3,
    "bfloat16": (torch.arange(7.0) / 3).bfloat16(),
    "complex64": torch.complex(torch.arange(3.0), torch.arange(3.0) - 9),
    "parameter": torch.nn.Parameter(torch.arange(6.0).reshape(2, 3)),
}


class Dictionary:
    """What a stranger's class may be."""

    def __init__(self) -> None:
        self.symbols = ["<s>", "a"]
        self.indices = {"<s>": 0, "a": 1}


def values(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach()
    return (
        tensor.float().numpy().astype(ml_dtypes.bfloat16)
        if tensor.dtype == torch.bfloat16
        else tensor.numpy()
    )


def check(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    with open_container(path) as found:
        assert found.format == "torch"
        assert list(found) == list(tensors)
        for name, tensor in tensors.items():
            wanted, entry = values(tensor), found.entries[name]
            array = found.read(name)
            assert (entry.dtype, entry.shape) == (wanted.dtype.name, wanted.shape)
            assert (array.dtype, array.shape) == (wanted.dtype, wanted.shape)
            np.testing.assert_array_equal(array, wanted)
            assert not np.shares_memory(array, found.read(name))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["", "model", "state_dict"])
def test_tensors_that_torch_saved_in_either_form_come_value_by_value(tmp_path, zipped, place):
    held = collections.OrderedDict(TENSORS)
    held._metadata = {"": {"version": 1}}
    content = {place: held, "epoch": 3, "optimizer": {"state": {0: {"m": torch.zeros(2)}}}} if place else held
    torch.save(content, tmp_path / "x", _use_new_zipfile_serialization=zipped)
    check(tmp_path / "x", TENSORS)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_of_every_pickle_protocol_are_read(tmp_path, zipped, protocol):
    torch.save(TENSORS, tmp_path / "x", pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    check(tmp_path / "x", TENSORS)


def test_unsigned_integers_that_lie_as_bytes_are_read(tmp_path):
    tensors = {"uint16": torch.tensor([1, 60_000]).to(torch.uint16)}
    torch.save(tensors, tmp_path / "x")
    check(tmp_path / "x", tensors)


def test_a_file_of_a_machine_with_the_high_byte_first_is_read_by_its_byte_order(tmp_path):
    torch.save({"a": BASE, "b": TENSORS["bfloat16"], "c": TENSORS["complex64"]}, tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "x") as source, zipfile.ZipFile(tmp_path / "y", "w") as swapped:
        for name in source.namelist():
            data = source.read(name)
            if "/data/" in name:
                width = {240: 4, 14: 2, 24: 4}[len(data)]
                data = np.frombuffer(data, f"u{width}").byteswap().tobytes()
            swapped.writestr(name, b"big" if name.endswith("byteorder") else data)
    check(tmp_path / "y", {"a": BASE, "b": TENSORS["bfloat16"], "c": TENSORS["complex64"]})


@pytest.mark.parametrize("zipped", [True, False])
def test_objects_beside_the_tensors_are_data_that_can_be_asked(tmp_path, zipped):
    args = argparse.Namespace(arch="roberta_base", encoder_layers=2, untie=False, path=Path("a/b"))
    content = {"args": args, "model": TENSORS, "task_state": {"dictionary": Dictionary()}}
    torch.save(content, tmp_path / "x", _use_new_zipfile_serialization=zipped)
    with open_container(tmp_path / "x") as found:
        assert str(found.objects["args"].made_by) == "argparse.Namespace"
        told = {"arch": "roberta_base", "encoder_layers": 2, "untie": False, "path": "a/b"}
        assert plain(found.objects["args"]) == told
        dictionary = found.objects["task_state"]["dictionary"]
        assert isinstance(dictionary, StandIn)
        assert str(dictionary.made_by) == f"{__name__}.Dictionary"
        assert dictionary.fields["symbols"] == ["<s>", "a"]


def test_settings_of_omegaconf_are_plain_though_each_knows_its_parent(tmp_path):
    # As omegaconf 2.1 pickles them: a container's _content, a leaf's _val, and _parent back up.
    class Node:
        def __init__(self, **state: object) -> None:
            self.__dict__.update(state)

    Node.__module__, Node.__qualname__ = "omegaconf.nodes", "AnyNode"
    root = Node(_content={}, _parent=None)
    root._content = {
        "layers": Node(_val=12, _parent=root),
        "inner": Node(_content=[Node(_val="a", _parent=root)]),
    }

    class Pickler(pickle._Pickler):
        def save_global(self, obj: object, name: str | None = None) -> None:
            self.write(b"comegaconf.nodes\nAnyNode\n") if obj is Node else super().save_global(obj, name)

    import io

    out = io.BytesIO()
    Pickler(out, 2).dump({"cfg": root, "array": np.arange(2)})
    (tmp_path / "x").write_bytes(out.getvalue())
    with open_container(tmp_path / "x") as found:
        assert plain(found.others["cfg"]) == {"layers": 12, "inner": ["a"]}


def test_a_view_larger_than_a_block_is_read_piece_by_piece(monkeypatch):
    monkeypatch.setattr("zoo_common.containers.strided._BLOCK", 64)
    flat = np.arange(10_000, dtype=np.float32)
    asked: list[int] = []

    def read(first: int, count: int) -> np.ndarray:
        asked.append(count)
        return flat[first : first + count].copy()

    for shape, strides in [
        ((20, 30), (400, 3)),
        ((30, 20), (3, 400)),
        ((4, 5, 6), (7, 1000, 40)),
        ((3, 0), (1, 2)),
        ((2, 5), (0, 9)),
    ]:
        found = read_view(read, 17, shape, strides)
        wanted = np.lib.stride_tricks.as_strided(flat[17:], shape, [4 * stride for stride in strides])
        np.testing.assert_array_equal(found, wanted)
    assert max(asked) <= 16


ARRAYS = {
    "linear.weight": np.arange(6000, dtype=np.float32).reshape(60, 100),
    "columns": np.asfortranarray(np.arange(2000.0).reshape(40, 50)),
    "high byte first": np.arange(9, dtype=">f4"),
    "bytes": np.arange(20_000, dtype=np.int64).astype(np.uint8),
    "small": np.arange(3, dtype=np.float16),
    "scalar": np.array(2.5),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_that_paddle_saved_come_value_by_value(tmp_path, protocol):
    named = {name: (f"p_{index}.w_0", array) for index, (name, array) in enumerate(ARRAYS.items())}
    names = {"StructuredToParameterName@@": {name: pair[0] for name, pair in named.items()}}
    for content in (ARRAYS, {**named, **names, "epoch": np.int64(3)}, collections.OrderedDict(ARRAYS)):
        (tmp_path / "x.pdparams").write_bytes(pickle.dumps(content, protocol))
        with open_container(tmp_path / "x.pdparams") as found:
            assert found.format == "paddle"
            assert list(found) == list(ARRAYS)
            for name, array in ARRAYS.items():
                np.testing.assert_array_equal(found.read(name), array)
                assert found.read(name).dtype == array.dtype.newbyteorder("=")
                assert (found.entries[name].dtype, found.entries[name].shape) == (
                    array.dtype.name,
                    array.shape,
                )
            if content is not ARRAYS and "epoch" in content:
                assert found.others == {"epoch": 3}
                assert found.names["columns"] == "p_1.w_0"


def test_an_array_that_paddle_cut_into_parts_is_whole(tmp_path):
    whole = np.arange(60.0).reshape(5, 12)
    parts = {f"a@@.{index}": whole.reshape(-1)[at : at + 25] for index, at in enumerate((0, 25, 50))}
    cut = {"a": {"OriginShape": (5, 12), "slices": list(parts)}}
    (tmp_path / "x").write_bytes(pickle.dumps({"b": np.ones(2), **parts, "UnpackBigParamInfor@@": cut}, 2))
    with open_container(tmp_path / "x") as found:
        assert set(found) == {"a", "b"}
        np.testing.assert_array_equal(found.read("a"), whole)


def lod_tensor(array: np.ndarray, kind: int, levels: tuple[bytes, ...] = ()) -> bytes:
    """As paddle/fluid/framework/lod_tensor.cc writes one."""
    described = b"\x08" + bytes([kind])
    for size in array.shape:
        described += b"\x10" + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7]))
    head = struct.pack("<IQ", 0, len(levels)) + b"".join(
        struct.pack("<Q", len(each)) + each for each in levels
    )
    return head + struct.pack("<Ii", 0, len(described)) + described + array.tobytes()


def test_a_folder_of_paddles_variables_is_read_file_by_file(tmp_path):
    arrays = {
        "word_embedding": (np.arange(900, dtype=np.float32).reshape(300, 3), 5),
        "encoder_layer_0_multi_head_att_query_fc.w_0": (np.arange(6.0).reshape(2, 3), 6),
        "@LR_DECAY_COUNTER@": (np.array([7]), 3),
        "half": (np.arange(3, dtype=np.float16), 4),
        "brain": (np.arange(3).astype(ml_dtypes.bfloat16), 22),
    }
    for name, (array, kind) in arrays.items():
        levels = (struct.pack("<QQ", 0, 2),) if name == "half" else ()
        (tmp_path / name).write_bytes(lod_tensor(array, kind, levels))
    with open_container(tmp_path) as found:
        assert found.format == "paddle_folder"
        assert set(found) == set(arrays)
        for name, (array, _) in arrays.items():
            np.testing.assert_array_equal(found.read(name), array)
            assert found.entries[name].dtype == array.dtype.name


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        ({"a": torch.zeros(2).to_sparse()}, "torch._utils._rebuild_sparse_tensor"),
        ({"a": torch.zeros(2).to(torch.float8_e4m3fn), "b": BASE}, "a is made by torch.float8_e4m3fn"),
    ],
)
def test_what_is_no_plain_tensor_is_refused_by_what_makes_it(tmp_path, content, said):
    torch.save(content, tmp_path / "x")
    with pytest.raises(InputError, match=said):
        open_container(tmp_path / "x")


def test_sizes_of_64_bits_are_read_where_a_zip_file_says_them(tmp_path, monkeypatch):
    torch.save({"a": BASE, "b": BASE.t()}, tmp_path / "x")
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    with zipfile.ZipFile(tmp_path / "x") as source, zipfile.ZipFile(tmp_path / "y", "w") as large:
        for name in source.namelist():
            large.writestr(name, source.read(name))
    assert b"PK\6\6" in (tmp_path / "y").read_bytes()
    check(tmp_path / "y", {"a": BASE, "b": BASE.t()})


def peak_of_reading(path: Path, name: str) -> tuple[int, int]:
    """What is used at the most while a tensor is read, and the tensor's own size."""
    with open_container(path) as found:
        tracemalloc.start()
        size = found.read(name).nbytes
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak, size


@pytest.mark.parametrize("zipped", [True, False])
def test_a_tensor_is_read_in_little_more_than_its_own_room_and_nothing_is_kept(tmp_path, zipped):
    whole = torch.randn(4096, 4096)
    tensors = {"whole": whole, "transposed": whole.t(), "left": whole[:, :2048], "down": whole[::2]}
    torch.save(tensors, tmp_path / "x", _use_new_zipfile_serialization=zipped)
    for name in tensors:
        peak, size = peak_of_reading(tmp_path / "x", name)
        # Beside a view that leaves values out, those of a block lie.
        assert peak < 1.05 * size + (0 if name in ("whole", "transposed") else 17 << 20)


@pytest.mark.parametrize("protocol", [2, 4])
def test_an_array_is_read_in_little_more_than_its_own_room(tmp_path, protocol):
    (tmp_path / "x").write_bytes(pickle.dumps({"a": np.random.default_rng(0).random((2048, 2048))}, protocol))
    peak, size = peak_of_reading(tmp_path / "x", "a")
    assert peak < 1.3 * size


def test_what_is_no_tensor_among_tensors_is_named(tmp_path):
    torch.save({"a": BASE, "decay": 0.5, "step": 3}, tmp_path / "x")
    with open_container(tmp_path / "x") as found:
        assert found.not_tensors == ("decay", "step")
        assert list(found) == ["a"]


@pytest.mark.parametrize("zipped", [True, False])
def test_torchs_files_are_shards_of_an_index_too(zipped, tmp_path):
    places = {}
    for index, names in enumerate((["whole", "bool"], ["transposed", "bfloat16"], ["scalar"])):
        file = f"pytorch_model-{index}.bin"
        torch.save(
            {name: TENSORS[name] for name in names}, tmp_path / file, _use_new_zipfile_serialization=zipped
        )
        places |= dict.fromkeys(names, file)
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    with open_container(index) as found:
        assert found.format == "sharded"
        assert list(found) == list(places)
        for name in ("transposed", "whole", "scalar", "bfloat16", "bool"):
            assert found[name].tobytes() == open_container(tmp_path / places[name])[name].tobytes()
    (tmp_path / "pytorch_model-1.bin").unlink()
    with pytest.raises(InputError, match=r"the shard pytorch_model-1.bin is missing"):
        open_container(index)
