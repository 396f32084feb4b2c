"""A unit's file: its tensors are moved several at a time, whatever the system moves in one call."""

import os

import numpy as np
import pytest
from safetensors.numpy import load_file

from zoo_common.streaming import stored
from zoo_common.streaming.stored import Piece, Stored
from zoo_common.weights import Entry
from zoo_spec.errors import EnvironmentFault

SHAPES = {"large": (600, 800), "odd": (3, 5), "one": (), "row": (64,), "other": (64,), "rest": (7,)}
ENTRIES = {name: Entry("float32", shape) for name, shape in SHAPES.items()}


def drawn(seed):
    draw = np.random.default_rng(seed)
    return {name: draw.normal(size=shape).astype("float32") for name, shape in SHAPES.items()}


def pieces(file, arrays):
    return [Piece(name, 0, arrays[name].size, arrays[name]) for name in file.entries]


def round_trip(path):
    """Written twice, and read: the file holds the newer values, by the format's own library too."""
    file = Stored(path, ENTRIES)
    size = sum(value.nbytes for value in drawn(0).values())
    for seed in (0, 1):
        assert file.write(pieces(file, drawn(seed))) == size
    found = {name: np.zeros(shape, "float32") for name, shape in SHAPES.items()}
    assert file.read(pieces(file, found)) == size
    for there in (found, load_file(path)):
        assert all(np.array_equal(value, there[name]) for name, value in drawn(1).items())
    return file


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="this system moves one piece a call")
@pytest.mark.parametrize("most", [1, 100, 5_000, 1 << 30])
def test_a_call_may_move_less_than_it_was_asked_to(tmp_path, monkeypatch, most):
    if most == 1:
        monkeypatch.setitem(ENTRIES, "large", Entry("float32", (8, 8)))
        monkeypatch.setitem(SHAPES, "large", (8, 8))
    for name in ("preadv", "pwritev"):
        move = getattr(os, name)

        def part(file, buffers, at, move=move):
            first = next(each for each in buffers if len(each))
            return move(file, [first[:most]] if len(first) >= most else buffers[:1], at)

        monkeypatch.setattr(os, name, part)
    round_trip(tmp_path / "file")


def test_a_system_without_such_calls_moves_one_piece_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "_SEVERAL_AT_ONCE", False)
    monkeypatch.delattr(os, "preadv", raising=False)
    monkeypatch.delattr(os, "pwritev", raising=False)
    round_trip(tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="this system moves one piece a call")
def test_tensors_that_lie_side_by_side_are_moved_by_one_call(tmp_path, monkeypatch):
    file = round_trip(tmp_path / "file")
    calls = []
    for name in ("preadv", "pwritev"):
        move = getattr(os, name)

        def counted(file, buffers, at, move=move):
            calls.append(len(buffers))
            return move(file, buffers, at)

        monkeypatch.setattr(os, name, counted)
    file.write(pieces(file, drawn(2)))
    assert calls == [1, 5]  # The large one by itself.
    calls.clear()
    file.read(pieces(file, drawn(2)))
    assert calls == [1, 1, 5]  # The header first.
    calls.clear()
    file.read([each for each in pieces(file, drawn(2)) if each.name in ("row", "rest")])
    assert calls == [1, 1, 1]  # These are not.


def test_more_tensors_lie_side_by_side_than_one_call_moves(tmp_path):
    """Linux refuses a call of more than 1,024 pieces, however small."""
    draw = np.random.default_rng(0)
    arrays = {f"weight_{index}": draw.normal(size=16).astype("float32") for index in range(3_000)}
    file = Stored(tmp_path / "file", {name: Entry("float32", (16,)) for name in arrays})
    assert file.write(pieces(file, arrays)) == 3_000 * 64
    found = {name: np.zeros(16, "float32") for name in arrays}
    assert file.read(pieces(file, found)) == 3_000 * 64
    for there in (found, load_file(file.path)):
        assert all(np.array_equal(value, there[name]) for name, value in arrays.items())


@pytest.mark.parametrize("name", list(SHAPES))
def test_whichever_tensor_of_those_read_together_is_damaged_it_is_named(tmp_path, name):
    file = round_trip(tmp_path / "file")
    content = bytearray(file.path.read_bytes())
    values = drawn(1)[name].tobytes()
    content[content.find(values)] ^= 1
    file.path.write_bytes(bytes(content))
    with pytest.raises(EnvironmentFault, match=f"has other values of '?{name}'? than were written"):
        file.read(pieces(file, drawn(2)))
