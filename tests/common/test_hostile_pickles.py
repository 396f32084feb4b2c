"""Python objects in files from a stranger: each is refused by name within ten seconds of computing and 500 MB.

Nothing is run: what the pickles would call writes a file, which no test may find. As a script this prints what each
file gets, as a table.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from zoo_common.cli.main import application

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="measures itself as Linux lets it"
)

SUPPORT = Path(__file__).parent.parent / "support"
CANARY = "canary-of-hostile-pickles"
COMMAND = f"touch {CANARY}"
MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def storage(key: str = "0", count: int = 6, kind: str = "FloatStorage") -> bytes:
    """A persistent id, on the stack."""
    number = b"J" + struct.pack("<i", count)
    return b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + number + b"tQ"


def tensor(held: bytes = b"", *, offset: int = 0, shape: tuple = (2, 3), strides: tuple = (3, 1)) -> bytes:
    # Each without its PROTO and STOP; their memos are their own, and nobody gets anything of them.
    parts = b"".join(pickle.dumps(part, 2)[2:-1] for part in (offset, shape, strides))
    held = held or storage()
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + held + parts + b"\x89}tR"


def weights(*beside: bytes) -> bytes:
    """A pickle of a state_dict with one tensor, and more values beside it."""
    pairs = text("weight") + tensor()
    for index, value in enumerate(beside):
        pairs += text(f"more{index}") + value
    return b"\x80\x02}(" + pairs + b"u."


def zipped(
    content: bytes, *, data: bytes = bytes(24), more: dict[str, bytes] | None = None, **how: int
) -> bytes:
    """The zip form of torch."""
    members = {"archive/data.pkl": content, "archive/data/0": data, **(more or {})}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **how) as file:
        for name, value in members.items():
            file.writestr(name, value)
    return out.getvalue()


def old(
    content: bytes, *, keys: bytes = b"\x80\x02]X\x01\0\0\x000a.", count: int = 6, data: bytes = bytes(24)
) -> bytes:
    """The form before torch 1.6."""
    return MAGIC + content + keys + struct.pack("<q", count) + data


SYSTEM = b"cposix\nsystem\n"
ARGUMENT = text(COMMAND)
STACK_SYSTEM = text("posix") + text("system") + b"\x93"
SETS_STATE = b"ccodecs_of_a_stranger\nThing\n)\x81(" + ARGUMENT + b"tb"

# What would run or reach out, as a value beside good weights.
CALLS = {
    "REDUCE of os.system": SYSTEM + b"(" + ARGUMENT + b"tR",
    "REDUCE of os.system, by STACK_GLOBAL": STACK_SYSTEM + b"(" + ARGUMENT + b"tR",
    "REDUCE of builtins.eval": b"cbuiltins\neval\n(" + text(f"open({CANARY!r}, 'w')") + b"tR",
    "REDUCE of Python 2's __builtin__.exec": b"c__builtin__\nexec\n(" + ARGUMENT + b"tR",
    "REDUCE of subprocess.Popen": b"csubprocess\nPopen\n(" + ARGUMENT + b"tR",
    "REDUCE of io.open, to write": b"cio\nopen\n(" + text(CANARY) + text("w") + b"tR",
    "REDUCE of pathlib's touch, got by getattr": b"cbuiltins\ngetattr\n(cpathlib\nPath\n"
    + text("touch")
    + b"tR(cpathlib\nPath\n("
    + text(CANARY)
    + b"tRtR",
    "REDUCE of torch.load": b"ctorch\nload\n(" + ARGUMENT + b"tR",
    "REDUCE of a string runner of NumPy": b"cnumpy.testing._private.utils\nrunstring\n(" + ARGUMENT + b"}tR",
    "REDUCE without a tuple": SYSTEM + ARGUMENT + b"R",
    "REDUCE of what is no global": b"]" + b"(" + ARGUMENT + b"tR",
    "INST of os.system": b"(" + ARGUMENT + b"iposix\nsystem\n",
    "OBJ of os.system": b"(" + SYSTEM + ARGUMENT + b"o",
    "NEWOBJ of os.system": SYSTEM + b"(" + ARGUMENT + b"t\x81",
    "NEWOBJ_EX of os.system": SYSTEM + b"(" + ARGUMENT + b"t}\x92",
    "BUILD of a partial": b"cfunctools\npartial\n(" + SYSTEM + b"tR(" + SYSTEM + b"(" + ARGUMENT + b"t}}tb",
    "BUILD of a list": b"](" + ARGUMENT + b"tb",
    "BUILD of a tensor": tensor() + b"}b",
    "EXT1": b"\x82\x01",
    "EXT2": b"\x83\x01\x01",
    "EXT4": b"\x84\x01\x01\x01\x01",
    "PERSID": b"Pstorage\n",
    "BINPERSID of a text": text("storage") + b"Q",
    "BINPERSID of another kind": b"(" + text("file") + text("/etc/passwd") + b"tQ",
    "NEXT_BUFFER": b"\x97",
    "READONLY_BUFFER": b"]\x98",
    "GLOBAL of no name": b"cos\nsystem('x')\n",
    "GLOBAL with a NUL": b"cos\0\nsystem\n",
    "STACK_GLOBAL of numbers": b"K\x01K\x02\x93",
    "STACK_GLOBAL of an empty name": text("os") + text("") + b"\x93",
    "a line without an end": b"c" + b"a" * 100_000,
    "an opcode that is none": b"\xff",
    "PROTO 200": b"\x80\xc8",
    "FRAME beyond the file": b"\x95" + struct.pack("<Q", 1 << 60),
    "GET of nothing": b"g7\n",
    "LONG_BINGET of nothing": b"j\xff\xff\xff\xff",
    "PUT below zero": b"]p-1\n",
    "APPEND to a number": b"K\x01K\x02a",
    "SETITEM of a number": b"K\x01K\x02K\x03s",
    "SETITEMS that are odd": b"}(K\x01u",
    "ADDITEMS of lists": b"\x8f(]\x90",
    "TUPLE3 of too little": b"\x87" * 40,
    "POP of everything": b"0" * 40,
    "POP_MARK without a mark": b"1" * 40,
    "MARK that is never closed": b"(",
    "STRING without quotes": b"Snothing\n",
    "INT of 10,000 digits": b"I" + b"9" * 10_000 + b"\n",
    "LONG of 4,000 digits": b"L" + b"9" * 4_000 + b"L\n",
    "LONG1 of 255 bytes": b"\x8a\xff" + b"\x01" * 255,
    "LONG4 of 100 MB": b"\x8b" + struct.pack("<i", 100_000_000),
    "LONG4 of less than nothing": b"\x8b" + struct.pack("<i", -5),
    "BINSTRING of less than nothing": b"T" + struct.pack("<i", -5),
    "BINBYTES8 of 2**62": b"\x8e" + struct.pack("<Q", 1 << 62),
    "BYTEARRAY8 of 2**62": b"\x96" + struct.pack("<Q", 1 << 62),
    "BINUNICODE8 of 2**62": b"\x8d" + struct.pack("<Q", 1 << 62),
    "BINUNICODE of no UTF-8": b"X\2\0\0\0\xff\xff",
    "a key that takes forever to hash": b"}" + b")" + b"2\x86" * 200 + b"K\x01s",
    "a key of 60 bytes' number": b"}\x8a\x3c" + b"\x7f" * 60 + b"K\x01s",
}

# What would grow: each of these is a whole pickle.
GROWTH = {
    "3,000,000 empty lists": b"\x80\x02(" + b"]" * 3_000_000 + b"l.",
    "3,000,000 empty sets": b"\x80\x04(" + b"\x8f" * 3_000_000 + b"l.",
    "3,000,000 DUPs": b"\x80\x02]" + b"2" * 3_000_000 + b".",
    "3,000,000 MEMOIZEs": b"\x80\x04]" + b"\x94" * 3_000_000 + b".",
    "1,000,000 tuples in each other": b"\x80\x02)" + b"\x85" * 1_000_000 + b".",
    "1,000,000 marks": b"\x80\x02" + b"(" * 1_000_000 + b".",
    "tuples doubled 100,000 times": b"\x80\x02)" + b"2\x86" * 100_000 + b".",
    "a list of 100,000 copied 100,000 times": b"\x80\x02("
    + b"N" * 100_000
    + b"lq\x00c__builtin__\nset\nq\x010("
    + b"h\x01h\x00\x85R" * 100_000
    + b"l.",
    "a tuple of 100,000 copied by NEWOBJ_EX": b"\x80\x04("
    + b"N" * 100_000
    + b"tq\x00cstranger\nThing\nq\x010("
    + b"h\x01h\x00}\x92" * 100_000
    + b"l.",
    "80 MB of lines of text": b"\x80\x02(" + (b"V" + b"a" * 60_000 + b"\n") * 1_400 + b"l.",
    "300,000 states in each other": b"\x80\x02cstranger\nThing\nq\x00)\x81"
    + b"h\x00)\x81" * 300_000
    + b"b" * 300_000
    + b".",
    "a memo at 2**32 - 1": b"\x80\x02]r\xff\xff\xff\xff.",
    "a list in itself": b"\x80\x02]q\x00h\x00a.",
    "80 MB of text with one wide letter a piece": b"\x80\x02("
    + text("a" * 3000 + "\U0001f600") * 27_000
    + b"l.",
}


def shaped(**how: object) -> bytes:
    return b"\x80\x02}" + text("weight") + tensor(**how) + b"s."  # type: ignore[arg-type]


def two(first: bytes, second: bytes) -> bytes:
    return b"\x80\x02}(" + text("a") + tensor(first) + text("b") + tensor(second) + b"u."


GOOD = weights()
ZIPS = {
    "a tensor beyond its storage": zipped(shaped(shape=(2, 4), strides=(4, 1))),
    "an offset beyond its storage": zipped(shaped(offset=1)),
    "an offset of 2**62": zipped(shaped(offset=1 << 62)),
    "an offset below zero": zipped(shaped(offset=-1)),
    "a stride below zero": zipped(shaped(strides=(-3, 1))),
    "a stride of 2**59": zipped(shaped(strides=(1 << 59, 1))),
    "a shape of 2**59 that repeats one value": zipped(shaped(shape=(1 << 30, 1 << 29), strides=(0, 0))),
    "a shape of a terabyte that repeats one row": zipped(shaped(shape=(1 << 38, 3), strides=(0, 1))),
    "values one upon the other": zipped(shaped(shape=(2, 2, 2), strides=(1, 1, 1))),
    "100 axes": zipped(shaped(shape=(1,) * 100, strides=(1,) * 100)),
    "a shape of texts": zipped(shaped(shape=("2", "3"))),
    "more strides than sizes": zipped(shaped(strides=(3, 1, 1))),
    "two sizes for one storage": zipped(two(storage(), storage(count=7))),
    "two dtypes for one storage": zipped(two(storage(), storage(kind="IntStorage"))),
    "a storage of 2**31 - 1 values in 24 bytes": zipped(
        two(storage(count=2**31 - 1), storage(count=2**31 - 1))
    ),
    "a storage that is not there": zipped(two(storage("0"), storage("1"))),
    "a storage called ../../0": zipped(two(storage("../../0"), storage("../../0"))),
    "a storage of another size": zipped(GOOD, data=bytes(20)),
    "a storage of quarter-width integers": zipped(two(*[storage(kind="QUInt4x2Storage")] * 2)),
    "a member ../../escaped": zipped(GOOD, more={"archive/../../escaped": b""}),
    "a member /etc/passwd": zipped(GOOD, more={"/etc/passwd": b""}),
    "a member C:\\escaped": zipped(GOOD, more={"C:\\escaped": b""}),
    "a compressed member": zipped(GOOD, compression=zipfile.ZIP_DEFLATED),
    "no tensors": zipped(b"\x80\x02}."),
    "a number": zipped(b"\x80\x02K\x01."),
    "a module instead of its state_dict": zipped(b"\x80\x02ctorch.nn.modules.linear\nLinear\n)\x81}b."),
    "a quantized tensor": zipped(weights(b"ctorch._utils\n_rebuild_qtensor\n(" + storage() + b"tR")),
    "an empty pickle": zipped(b""),
    "two values left": zipped(b"\x80\x02}}."),
    "a list of members of 4 GB": zipped(GOOD)[:-10] + struct.pack("<II", 0xFFFFFFF0, 5) + b"\0\0",
    "sizes of 64 bits that nothing says": zipped(GOOD)[:-10] + struct.pack("<II", 0xFFFFFFFF, 5) + b"\0\0",
    "storages in another order of keys, old": old(GOOD, keys=b"\x80\x02]X\x01\0\0\x001a."),
    "a storage of another count, old": old(GOOD, count=7),
    "a storage of 2**60 values, old": old(two(*[storage(count=2**31 - 1)] * 2), count=2**31 - 1),
    "a storage of unknown width, old": old(two(*[storage(kind="QUInt4x2Storage")] * 2)),
    "another protocol, old": old(GOOD).replace(b"M\xe9\x03", b"M\xea\x03"),
}


def arrays(**changes: object) -> bytes:
    return pickle.dumps({"weight": np.arange(6.0).reshape(2, 3), **changes}, 2)


class Evaluated:
    def __reduce__(self) -> tuple:
        return eval, (f"open({CANARY!r}, 'w')",)


PADDLE = {
    "eval, as Paddle saves dense tensors": arrays(more=Evaluated()),
    "an array of objects": pickle.dumps({"weight": np.array([1, "a", None], object)}, 4),
    "an array of texts": pickle.dumps({"weight": np.array(["a", "b"])}, 4),
    "an array of less than its shape": arrays().replace(b"K\x02K\x03\x86", b"K\x02K\x7f\x86"),
    "an array of 2**30 by 2**30": arrays().replace(
        b"K\x02K\x03\x86", b"J\xff\xff\xff\x3fJ\xff\xff\xff\x3f\x86"
    ),
    "a dtype of a gigabyte": arrays().replace(b"f8", b"V9"),
    "parts of which one is missing": arrays(
        **{"UnpackBigParamInfor@@": {"a": {"OriginShape": (6,), "slices": ["weight", "a@@.1"]}}}
    ),
    "parts of another size": arrays(
        **{"UnpackBigParamInfor@@": {"a": {"OriginShape": (1 << 40,), "slices": ["weight"]}}}
    ),
    "no arrays": pickle.dumps({"a": 1}, 2),
    "a list": pickle.dumps([np.arange(3)], 2),
}


def variable(*, kind: int = 5, dims: tuple = (2, 3), data: bytes = bytes(24), levels: int = 0) -> bytes:
    described = bytes([0x08, kind]) + b"".join(b"\x10" + dim for dim in map(_varint, dims))
    head = struct.pack("<IQ", 0, levels) + struct.pack("<Ii", 0, len(described))
    return head + described + data


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


FOLDERS = {
    "a variable of too few bytes": variable(data=bytes(20)),
    "a variable of 2**62 values": variable(dims=(1 << 31, 1 << 31)),
    "a variable of no type": variable(kind=9),
    "a description of 2 GB": variable()[:16] + struct.pack("<i", 2**31 - 1) + variable()[20:],
    "levels of 2**60": variable(levels=1 << 60),
    "a file that is no variable": b"hello, this is no variable at all",
}


def write_all(folder: Path) -> dict[str, Path]:
    """Every file, by what is wrong with it."""
    found = {f"zip: {what}": zipped(weights(value)) for what, value in CALLS.items()}
    found |= {f"old: {what}": old(weights(value)) for what, value in CALLS.items() if "OBJ" in what}
    found |= {f"zip: {what}": zipped(value) for what, value in GROWTH.items()}
    found |= {f"alone: {what}": value for what, value in GROWTH.items() if "list" in what}
    found |= {f"torch: {what}": value for what, value in ZIPS.items()}
    found |= {f"paddle: {what}": value for what, value in PADDLE.items()}
    found["torch: what sets a state by itself, without weights"] = zipped(b"\x80\x02" + SETS_STATE + b".")
    found["torch: a bomb: half a gigabyte of zeros compressed"] = zipped(
        GOOD, data=bytes(1 << 29), compression=zipfile.ZIP_DEFLATED
    )
    whole = {"zip": zipped(GOOD), "old": old(GOOD), "paddle": arrays(), "variable": variable()}
    paths = {}
    for name, content in whole.items():
        for part in range(50):
            cut = content[: len(content) * part // 50]
            if name == "variable":
                paths[f"folder: cut at {part}/50"] = _folder(folder, cut)
            else:
                found[f"{name}: cut at {part}/50"] = cut
    for what, content in FOLDERS.items():
        paths[f"folder: {what}"] = _folder(folder, content)
    for index, (what, content) in enumerate(found.items()):
        paths[what] = folder / f"{index}.bin"
        paths[what].write_bytes(content)
    paths["zip: a list of members of a terabyte, in a sparse file"] = _sparse(folder / "sparse.bin")
    return paths


def _folder(folder: Path, content: bytes) -> Path:
    made = Path(tempfile.mkdtemp(dir=folder))
    (made / "b").write_bytes(content)
    (made / "a").write_bytes(variable())
    return made


def _sparse(path: Path) -> Path:
    size = 1 << 40
    record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, size - 4096, 512)
    with path.open("wb") as file:
        file.write(zipped(GOOD))
        file.seek(size)
        file.write(record + b"PK\6\7" + struct.pack("<IQI", 0, size, 1))
        file.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))
    return path


def ask(paths: dict[str, Path], folder: Path) -> dict[str, str]:
    """What is said of each, by a process that may compute ten seconds and take 500 MB for one."""
    lines = "".join(json.dumps([what, "tensors", str(path)]) + "\n" for what, path in paths.items())
    found = subprocess.run(
        [sys.executable, SUPPORT / "hostile_reader.py"],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    answers = dict(map(json.loads, found.stdout.splitlines()))
    missing = [what for what in paths if what not in answers]
    assert not missing, f"ended with {found.returncode} at {missing[0]}: {found.stderr[-500:]}"
    return answers


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], dict[str, str], Path]:
    folder = tmp_path_factory.mktemp("hostile")
    paths = write_all(folder)
    return paths, ask(paths, folder), folder


def test_each_file_is_refused_in_one_line_that_names_it(asked):
    paths, answers, _ = asked
    wrong = {
        what: said
        for what, said in answers.items()
        if str(paths[what]) not in said or "\n" in said or "ESCAPED" in said or len(said) > 1000
    }
    assert not wrong


def test_nothing_that_a_file_asks_for_is_run(asked):
    _, _, folder = asked
    assert not list(folder.rglob(f"*{CANARY}*"))
    assert not Path(CANARY).exists()


def test_what_a_file_would_call_is_told_by_name(asked):
    _, answers, _ = asked
    for what, called in {
        "zip: REDUCE of os.system": "posix.system",
        "zip: INST of os.system": "posix.system",
        "old: OBJ of os.system": "posix.system",
        "zip: NEWOBJ_EX of os.system": "posix.system",
        "zip: REDUCE of Python 2's __builtin__.exec": "builtins.exec",
        "zip: BUILD of a partial": "functools.partial",
        "paddle: eval, as Paddle saves dense tensors": "builtins.eval",
    }.items():
        assert f"it calls {called}, which is no data" in answers[what]


def test_every_opcode_is_done_or_refused_by_name():
    import pickletools

    from zoo_common.containers.pickles import _ACTIONS

    assert {name for name, _ in _ACTIONS.values()} == {opcode.name for opcode in pickletools.opcodes}


@pytest.mark.parametrize(
    ("content", "called"),
    [
        (zipped(weights(CALLS["REDUCE of os.system"])), "posix.system"),
        (old(weights(CALLS["INST of os.system"])), "posix.system"),
        (PADDLE["eval, as Paddle saves dense tensors"], "builtins.eval"),
    ],
)
def test_importing_such_a_file_ends_with_status_2_and_leaves_nothing(tmp_path, monkeypatch, content, called):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(content)
    found = CliRunner().invoke(application(), ["import", "weights.bin", "--output", "run"])
    assert found.exit_code == 2
    assert f"it calls {called}, which is no data" in found.output
    assert [path.name for path in tmp_path.iterdir()] == ["weights.bin"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        told = ask(write_all(Path(temporary)), Path(temporary))
        for what, said in told.items():
            print(f"| {what} | {said.replace(temporary, '...')} |")
