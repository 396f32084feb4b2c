"""The door that all files are read through: no hostile file blocks it, fills memory, or gets past it."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.reading import UnreadableFileError, open_file, printable, read_file, reading

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes and devices among its files")
LIMIT = {"most": 100, "remedy": "raise data.some_limit"}


class PanicException(BaseException):  # What a panic in Rust is called by pyo3, and derives from.
    pass


def refused(path) -> str:
    with pytest.raises(UnreadableFileError) as raised:
        read_file(path, **LIMIT)
    message = str(raised.value)
    assert message == f"{printable(path)}: {raised.value.reason}"
    assert message.isprintable()
    return raised.value.reason


@pytest.mark.parametrize("size", [0, 1, 99, 100])
def test_a_file_up_to_the_bound_is_read_whole(tmp_path, size):
    file = tmp_path / "file"
    file.write_bytes(bytes(range(size)))
    assert read_file(file, **LIMIT) == bytes(range(size))


def test_a_longer_file_is_refused_with_both_sizes_and_the_remedy(tmp_path):
    file = tmp_path / "file"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)
    assert refused(file) == "is 1,099,511,627,776 bytes long, and 100 are the most; raise data.some_limit"


def test_a_file_that_grows_while_it_is_read_is_bounded_all_the_same(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"x" * 50)
    real = os.fstat

    def before_it_grew(descriptor: int) -> os.stat_result:
        found = list(real(descriptor))
        found[6] = 10
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", before_it_grew)
    assert read_file(file, **LIMIT) == b"x" * 50
    file.write_bytes(b"x" * 101)
    assert refused(file) == "has grown beyond 100 bytes, which are the most; raise data.some_limit"


@POSIX
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").startswith("is a pipe, which may never end")
    assert refused("/dev/zero").startswith("is a device, which may never end")
    assert refused(tmp_path) == "is a directory, and a file is expected; name the files in it"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert refused(tmp_path / "socket").startswith("is no regular file")


@POSIX
def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x")
    found = os.stat(tmp_path / "file")
    monkeypatch.setattr(os, "stat", lambda path: found)
    assert refused(tmp_path / "pipe").startswith("is a pipe")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("none", "there is no such file (paths are relative to the working directory, "),
        ("a\0b", "no file can have this name"),
        ("\ud800", "no file can have this name"),
        ("n" * 300, "cannot be read: File name too long"),
        (os.fsdecode(b"caf\xe9"), "there is no such file"),
        ("\x1b[31mred", "there is no such file"),
    ],
)
def test_a_name_that_no_file_has_is_one_printable_line(tmp_path, name, what):
    assert refused(tmp_path / name).startswith(what)


@POSIX
def test_a_file_whose_name_is_not_utf_8_is_read(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    path.write_bytes(b"x")
    assert read_file(path, **LIMIT) == b"x"


@POSIX
def test_a_file_in_a_working_directory_that_is_gone_is_not_found(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert refused("file").startswith("there is no such file")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ValueError("bad\nnews"), "bad"),
        (ValueError(), "ValueError"),
        (ValueError("\x1b[2J"), r"\x1b[2J"),
        (RecursionError("maximum depth"), "is nested too deeply"),
        (MemoryError(), "asks for more memory than there is"),
        (OverflowError("too large"), "too large"),
        (StopIteration(), "StopIteration"),
        (OSError("truncated"), "truncated"),
        (PanicException("index out of bounds"), "index out of bounds"),
        (ValueError("long" * 1000), "long" * 75),
    ],
)
def test_whatever_a_reader_raises_is_one_line_with_the_file_and_the_reader(error, why):
    with (
        pytest.raises(InputError) as raised,
        reading("a.bin", "NumPy", remedy="save it again"),
    ):
        raise error
    assert str(raised.value) == f"a.bin: cannot be read by NumPy: {why}; save it again"
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit(), InputError("said")])
def test_what_ends_a_process_and_what_is_said_already_pass_the_door(error):
    with pytest.raises(type(error)) as raised, reading("a.bin", "NumPy"):
        raise error
    assert raised.value is error


def test_a_disk_that_fails_is_the_machines_fault(tmp_path):
    with (
        pytest.raises(EnvironmentFault, match=r"^a\.bin: cannot be read: Input/output error; "),
        reading("a.bin"),
    ):
        raise OSError(errno.EIO, "Input/output error")


def test_an_opened_file_is_read_in_parts(tmp_path):
    (tmp_path / "file").write_bytes(b"one\ntwo\n")
    with open_file(tmp_path / "file") as file:
        assert file.readline() == b"one\n"
