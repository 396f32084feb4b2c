"""Files of weights that are made to do harm, and the script that opens each with little memory to have.

Run as a program: it writes each into the folder that is named, opens it, reads all of it, and prints a line of JSON:
what the file is, the error's type, exit status and text.
"""

from __future__ import annotations

import io
import json
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np

from bundles import HEADER, MAGIC, block, field, masked, table, varint, write_bundle
from zoo_common.containers import open_container
from zoo_common.published import import_published
from zoo_spec.errors import ZooError

MEMORY = 1 << 30
ONE = np.arange(6, dtype=np.float32).reshape(2, 3)


def safetensors(header: object, data: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


def tensor(shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


def _file(content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "model.bin"
        path.write_bytes(content)
        return path

    return write


def _sparse(content: bytes, size: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = _file(content)(folder)
        with path.open("rb+") as file:
            file.truncate(size)
        return path

    return write


def _index(weight_map: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "a.safetensors").write_bytes(safetensors({"x": tensor([2], 0, 8)}, bytes(8)))
        (folder.parent / "outside.safetensors").write_bytes(safetensors({"x": tensor([2], 0, 8)}, bytes(8)))
        path = folder / "model.safetensors.index.json"
        path.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
        return path

    return write


def _keras_index(weight_map: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        with h5py.File(folder / "model_00000.weights.h5", "w") as file:
            file["layers/dense/vars/0"] = ONE
        path = folder / "model.weights.json"
        path.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
        return path

    return write


def _h5(fill: Callable[[h5py.File, Path], object]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "model.weights.h5"
        with h5py.File(folder / "other.h5", "w") as other:
            other["secret"] = ONE
        with h5py.File(path, "w") as file:
            fill(file, folder)
        return path

    return write


def _virtual(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((2, 3), "f4")
    layout[:] = h5py.VirtualSource(folder / "other.h5", "secret", shape=(2, 3))
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def _deep(file: h5py.File, folder: Path) -> None:
    file["/".join(["a"] * 200)] = ONE


def _ring(file: h5py.File, folder: Path) -> None:
    file["a/b"] = ONE
    file["a/self"] = file["a"]


def _twice(file: h5py.File, folder: Path) -> None:
    file["a"] = ONE
    file["b"] = file["a"]


def _texts(file: h5py.File, folder: Path) -> None:
    file.attrs["layer_names"] = np.zeros(0, "S1")
    file["layers/dense/vars/0"] = "text"


def _legacy(layers: object, weights: object) -> Callable[[h5py.File, Path], None]:
    def fill(file: h5py.File, folder: Path) -> None:
        file.attrs["layer_names"] = layers
        group = file.create_group("bert")
        group.attrs["weight_names"] = weights
        group["kernel:0"] = ONE

    return fill


def _bundle(**other: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        return write_bundle(folder / "model.ckpt", {"a": ONE, "b": ONE + 1}, **other)  # type: ignore[arg-type]

    return write


def _without_data(folder: Path) -> Path:
    prefix = _bundle()(folder)
    prefix.with_name("model.ckpt.data-00000-of-00001").unlink()
    return prefix


def _flipped(folder: Path) -> Path:
    prefix = _bundle()(folder)
    path = prefix.with_name("model.ckpt.data-00000-of-00001")
    data = bytearray(path.read_bytes())
    data[9] ^= 4
    path.write_bytes(data)
    return prefix


def _same_blocks() -> bytes:
    """An index of a megabyte, whose one block without entries is to be read ten thousand times."""
    body, size = block([(b"", HEADER)]), 1_000_000
    blank = bytes(size - 4) + (size // 4 - 1).to_bytes(4, "little") + b"\0"
    blank += masked(blank)
    rows = [
        (b"k%06d" % each, varint(len(body) if each else 0) + varint(size if each else len(body) - 5))
        for each in range(10_000)
    ]
    index = block(rows)
    footer = varint(0) + varint(len(body) - 5) + varint(len(body) + len(blank)) + varint(len(index) - 5)
    return body + blank + index + footer.ljust(40, b"\0") + MAGIC


def _objects(folder: Path) -> Path:
    return write_bundle(
        folder / "ckpt-1", {"_CHECKPOINTABLE_OBJECT_GRAPH": ONE, "model/w/.ATTRIBUTES/VARIABLE_VALUE": ONE}
    )


def _npy(array: np.ndarray, header: str | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    if header is None:
        return file.getvalue()
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + array.tobytes()


def _npz(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Callable[[Path], Path]:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return _file(file.getvalue())


def _npz_bomb(size: int) -> Callable[[Path], Path]:
    """A consistent file of zeros, a thousandth of what it expands to."""

    def write(folder: Path) -> Path:
        path = folder / "bomb.npz"
        head = _npy(
            np.zeros(0, np.uint8), f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},), }}"
        )
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            archive.open("kernel.npy", "w", force_zip64=True) as member,
        ):
            member.write(head)
            for _ in range(size >> 24):
                member.write(bytes(1 << 24))
        return path

    return write


def _npz_patched(old: bytes, new: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = _npz({"a.npy": _npy(ONE), "b.npy": _npy(ONE)})(folder)
        path.write_bytes(path.read_bytes().replace(old, new))
        return path

    return write


def _npz_same_bytes(folder: Path) -> Path:
    """Two names in the list of members that are one member."""
    path = _npz({"a.npy": _npy(ONE)})(folder)
    data = path.read_bytes()
    at = data.index(b"PK\1\2")
    end = data.index(b"PK\5\6")
    row = data[at:end]
    rows = row + row.replace(b"a.npy", b"b.npy")
    tail = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 2, 2, len(rows), at, 0)
    path.write_bytes(data[:at] + rows + tail)
    return path


def _long_list(folder: Path) -> Path:
    path = _npz({"a.npy": _npy(ONE)})(folder)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\5\6")
    struct.pack_into("<I", data, at + 12, 2_000_000_000)
    path.write_bytes(data)
    return path


class _Canary:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("canary"),)


_HUGE = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**40}, {2**20}), }}"

FILES: dict[str, Callable[[Path], Path]] = {
    "safetensors, a header of 2^60 bytes": _file((2**60).to_bytes(8, "little") + b"{"),
    "safetensors, a header of 2 GB in a sparse file": _sparse(
        (2 * 10**9).to_bytes(8, "little") + b"{", 3 * 10**9
    ),
    "safetensors, JSON 200,000 deep": _file(safetensors(b'{"a":' + b"[" * 200_000)),
    "safetensors, an offset outside": _file(safetensors({"a": tensor([4], 0, 16)}, bytes(8))),
    "safetensors, overlapping tensors": _file(
        safetensors({"a": tensor([2], 0, 8), "b": tensor([2], 4, 12)}, bytes(12))
    ),
    "safetensors, two names on the same bytes": _file(
        safetensors({"a": tensor([2], 0, 8), "b": tensor([2], 0, 8)}, bytes(8))
    ),
    "safetensors, a name twice": _file(
        safetensors(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{}}', bytes(4))
    ),
    "safetensors, a shape of 2^62 by 0": _file(safetensors({"a": tensor([2**62, 2**62, 0], 0, 0)})),
    "safetensors, sizes of 4,000 digits": _file(
        safetensors(
            b'{"a":{"dtype":"F32","shape":[%s],"data_offsets":[0,4]}}' % b",".join([b"9" * 4000] * 500)
        )
    ),
    "index, a shard that is missing": _index({"x": "a.safetensors", "y": "b.safetensors"}),
    "index, a name that no shard has": _index({"x": "a.safetensors", "y": "a.safetensors"}),
    "index, a tensor that it lacks": _index({"y": "a.safetensors"}),
    "index, a shard in ..": _index({"x": "../outside.safetensors"}),
    "index, a shard by an absolute path": _index({"x": "/etc/passwd"}),
    "index, a shard with a backslash": _index({"x": "..\\outside.safetensors"}),
    "index, a shard that is a list": _index({"x": ["a.safetensors"]}),
    "Keras' index, a file in ..": _keras_index({"/layers/dense/vars": "../x.h5"}),
    "Keras' index, a file that is missing": _keras_index({"/layers/dense/vars": "model_00001.weights.h5"}),
    "Keras' index, an array that it lacks": _keras_index({"/layers/other/vars": "model_00000.weights.h5"}),
    "bundle, no data file": _without_data,
    "bundle, a flipped bit in a tensor": _flipped,
    "bundle, an offset outside": _bundle(wrong={"b": {"offset": 2**40}}),
    "bundle, overlapping tensors": _bundle(wrong={"b": {"offset": 8}}),
    "bundle, a size that is not the shape's": _bundle(wrong={"b": {"size": 2**40}}),
    "bundle, a shape of 2^63": _bundle(wrong={"b": {"shape": field(2, field(1, 2**63))}}),
    "bundle, a data file that it has not": _bundle(wrong={"b": {"shard": 7}}),
    "bundle, a variable in partitions": _bundle(wrong={"b": {"slices": b""}}),
    "bundle, an unknown dtype": _bundle(wrong={"b": {"dtype": 20}}),
    "bundle, compressed by Snappy": _bundle(method=1),
    "bundle, of TensorFlow 2's objects": _objects,
    "bundle, no header": _file(table([(b"a", b"")])),
    "bundle, one block 10,000 times": _file(_same_blocks()),
    "h5, a link to another file": _h5(
        lambda file, _: file.__setitem__("a", h5py.ExternalLink("other.h5", "secret"))
    ),
    "h5, a soft link": _h5(lambda file, _: file.__setitem__("a", h5py.SoftLink("/b"))),
    "h5, an array of another file's parts": _h5(_virtual),
    "h5, bytes in another file": _h5(
        lambda file, folder: file.create_dataset("a", (2, 3), "f4", external=[(folder / "other.h5", 0, 24)])
    ),
    "h5, 8 TB of zeros that are not there": _h5(
        lambda file, _: file.create_dataset("a", (2**40, 2), "f4", chunks=(1024, 2))
    ),
    "h5, 4 GB compressed to nothing": _h5(
        lambda file, _: file.create_dataset("a", (2**30,), "f4", chunks=(2**20,), compression="gzip")
    ),
    "h5, references to objects": _h5(
        lambda file, _: file.__setitem__("a", np.array([file.ref], h5py.ref_dtype))
    ),
    "h5, texts": _h5(_texts),
    "h5, 200 groups deep": _h5(_deep),
    "h5, a group that has itself": _h5(_ring),
    "h5, two names of one array": _h5(_twice),
    "h5, a list that names what is not there": _h5(_legacy([b"bert"], [b"kernel:0", b"bias:0"])),
    "h5, an array that no list names": _h5(_legacy([b"bert"], np.zeros(0, "S1"))),
    "h5, a weight listed twice": _h5(_legacy([b"bert"], [b"kernel:0", b"kernel:0"])),
    "h5, a layer that is not there": _h5(_legacy([b"bert", b"../x"], [b"kernel:0"])),
    "npz, Python objects": _npz({"a.npy": _npy(np.array([_Canary()], object))}),
    "npz, 1.25 GB of zeros in 6 MB": _npz_bomb(5 << 28),
    "npz, an array larger than its member": _npz({"a.npy": _npy(ONE, _HUGE)}),
    "npz, a negative size": _npz(
        {"a.npy": _npy(ONE, "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -3), }")}
    ),
    "npz, a header that calls": _npz(
        {"a.npy": _npy(ONE, "{'descr': open('canary', 'w'), 'fortran_order': False, 'shape': (2, 3)}")}
    ),
    "npz, a header of brackets": _npz({"a.npy": b"\x93NUMPY\1\0" + struct.pack("<H", 9000) + b"[" * 9000}),
    "npz, a header of 4 GB": _npz({"a.npy": b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1)}),
    "npz, a member in ..": _npz({"../a.npy": _npy(ONE)}),
    "npz, a member that is a pickle": _npz({"a.npy": _npy(ONE), "b.pkl": b"cos\nsystem\n."}),
    "npz, two names of one member": _npz_same_bytes,
    "npz, a list of members of 2 GB": _long_list,
    "npz, two members of one name": _npz_patched(b"b.npy", b"a.npy"),
    "npz, texts": _npz({"a.npy": _npy(np.array(["a", "b"]))}),
    "npz, a flipped bit": _npz_patched(ONE.tobytes(), ONE[::-1].tobytes()),
    "npz, LZMA": _npz({"a.npy": _npy(ONE)}, zipfile.ZIP_LZMA),
}


def outcomes(folder: Path) -> Iterator[dict[str, object]]:
    """What becomes of each."""
    for index, (what, write) in enumerate(FILES.items()):
        place = folder / f"{index:02d}"
        place.mkdir()
        path = write(place)
        yield {"what": what, "path": str(place), **_outcome(lambda path=path: _read(path))}
        (place / "config.json").write_text(json.dumps({"model_type": "bert"}))
        run = place / "run"
        yield {
            "what": f"{what}, imported",
            "path": str(place),
            **_outcome(lambda path=path, run=run: import_published(path, run)),
            "made": run.exists(),
        }


def _read(path: Path) -> None:
    with open_container(path) as container:
        for name in container:
            container.read(name)


def _outcome(attempt: Callable[[], object]) -> dict[str, object]:
    try:
        attempt()
    except ZooError as error:
        return {"error": type(error).__name__, "status": error.exit_status, "text": str(error)}
    except BaseException as error:
        return {"error": type(error).__name__, "status": -1, "text": repr(error)}
    return {"error": None, "status": 0, "text": ""}


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for outcome in outcomes(Path(sys.argv[1])):
        print(json.dumps(outcome), flush=True)
