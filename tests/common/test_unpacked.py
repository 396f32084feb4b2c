"""Files that may be packed, and patterns of file names."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import tempfile

import pytest
import zstandard

from zoo_common.data import unpacked
from zoo_common.data.file_marks import marked, other_files, sources
from zoo_common.data.files import expanded
from zoo_common.data.records import open_records
from zoo_common.data.unpacked import open_unpacked, read_text, unpacked_in
from zoo_spec.data import TextData, TextTable
from zoo_spec.data.limits import TextLimits
from zoo_spec.errors import EnvironmentFault, InputError

TEXT = "".join(f"{number} naïve\n" for number in random.Random(0).sample(range(10**6), 20_000)).encode()
HALF = len(TEXT) // 2


def _packed_by_zstandard(data: bytes, window: int = 20) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=window, write_checksum=True)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packer.compress(data) + packer.flush()


PACK = {"gz": gzip.compress, "zst": _packed_by_zstandard, "xz": lzma.compress, "bz2": bz2.compress}


@pytest.mark.parametrize("name", PACK)
def test_a_packed_file_is_read_at_any_place_whatever_its_name(tmp_path, name):
    path = tmp_path / "a.txt"
    path.write_bytes(PACK[name](TEXT[:HALF]) + PACK[name](TEXT[HALF:]))
    with open_unpacked(path, TextLimits()) as file:
        assert file.read() == TEXT
        file.seek(HALF - 3)
        assert file.read(6) == TEXT[HALF - 3 : HALF + 3]


def test_what_is_not_packed_is_read_where_it_lies(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(b"BZh is no bzip2\n")
    with open_unpacked(path, TextLimits()) as file:
        assert file.name == str(path) or file.fileno()
        assert file.read() == b"BZh is no bzip2\n"


def test_a_frame_with_a_window_of_a_gigabyte_and_frames_to_skip_are_read(tmp_path):
    path = tmp_path / "a.zst"
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    path.write_bytes(skipped + _packed_by_zstandard(TEXT, 30) + skipped)
    with open_unpacked(path, TextLimits()) as file:
        assert file.read() == TEXT


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda data: data[:-9], "ends too early|cannot be read"),
        (lambda data: data[: HALF // 4] + b"\xff" * 99 + data[HALF // 4 + 99 :], "cannot be read"),
        (lambda data: data + b"rubbish", "cannot be read|ends too early"),
        (lambda data: data + data[:20], "ends too early|cannot be read"),
    ],
    ids=["cut off", "overwritten", "rubbish behind", "second member cut off"],
)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path, name, harm, said):
    path = tmp_path / f"a.{name}"
    path.write_bytes(harm(PACK[name](TEXT)))
    with pytest.raises(InputError, match=f"^{path}: ({said})") as raised:
        open_unpacked(path, TextLimits())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", PACK)
def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path, name):
    path = tmp_path / f"a.{name}"
    path.write_bytes(PACK[name](bytes(40_000_000)))
    with pytest.raises(
        InputError, match=r"unpacks to more than 1,000,000 bytes.*data\.limits\.unpacked_bytes"
    ):
        open_unpacked(path, TextLimits(unpacked_bytes=1_000_000))
    assert path.stat().st_size < 100_000


def test_no_room_to_unpack_is_the_machines_fault(tmp_path, monkeypatch):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(TEXT))
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: io.FileIO("/dev/full", "r+"))
    with pytest.raises(EnvironmentFault, match=r"no room.*TMPDIR"):
        open_unpacked(path, TextLimits())


def test_text_is_the_same_packed(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfa\r\nb\rc\x0cd\n")
    (tmp_path / "b").write_bytes(gzip.compress((tmp_path / "a").read_bytes()))
    assert (
        read_text(tmp_path / "a", TextLimits()) == read_text(tmp_path / "b", TextLimits()) == "a\nb\nc\x0cd\n"
    )


def test_a_pattern_names_its_files_in_order_and_a_name_of_a_file_is_no_pattern(tmp_path):
    names = ["b.tsv", "a.tsv", "in/c.tsv", "[1].tsv"]
    (tmp_path / "in").mkdir()
    for name in names:
        (tmp_path / name).write_text("x")
    found = expanded([f"{tmp_path}/?.tsv", f"{tmp_path}/[1].tsv", f"{tmp_path}/**/c.tsv", "no such file"])
    in_order = ["a.tsv", "b.tsv", "[1].tsv", "in/c.tsv"]
    assert found == (*(f"{tmp_path}/{name}" for name in in_order), "no such file")
    with pytest.raises(InputError, match="no file matches this pattern"):
        expanded([f"{tmp_path}/*.csv"])


def test_a_table_is_read_from_packed_files_of_a_pattern_and_their_marks_tell_a_file_more_or_less(tmp_path):
    for number in range(3):
        packed = gzip.compress(f"text\tlabel\nnumber {number}\tx\n".encode())
        (tmp_path / f"part{number}.tsv.gz").write_bytes(packed)
    data = TextTable(files=f"{tmp_path}/part*.tsv.gz", text="text", label="label", evaluation_fraction=0.0)
    records = open_records(data, "train", lambda record: None)
    assert [records[index].texts for index in range(3)] == [(f"number {number}",) for number in range(3)]
    before = list(marked(sources(data)))
    assert not other_files(before, before, "train")
    (tmp_path / "part2.tsv.gz").unlink()
    now = list(marked(sources(data)))
    assert ["now it is none of the files" in line for line in other_files(before, now, "train")] == [True]
    assert ["was not there" in line for line in other_files(now, before, "train")] == [True]


def test_running_text_is_read_from_patterns_too(tmp_path):
    (tmp_path / "a.txt.xz").write_bytes(lzma.compress(b"One here. Two there.\n"))
    assert [source.path.name for source in sources(TextData(files=f"{tmp_path}/*.xz"))] == ["a.txt.xz"]


def test_what_is_unpacked_for_a_run_is_unpacked_once_and_anew_where_the_file_is_another(
    tmp_path, monkeypatch
):
    path, folder = tmp_path / "a.txt.gz", tmp_path / "kept"

    def written(text, seconds):
        path.write_bytes(gzip.compress(text))
        os.utime(path, (seconds, seconds))

    def read():
        with unpacked_in(folder), open_unpacked(path, TextLimits()) as file:
            return file.read()

    written(b"one\n", 1000)
    assert read() == b"one\n"
    monkeypatch.setattr(unpacked, "_unpacked", None)
    assert read() == b"one\n"
    monkeypatch.undo()
    written(b"two\n", 2000)
    assert read() == b"two\n"
    (kept,) = folder.glob("[!.]*")
    kept.write_bytes(b"t")  # cut by whatever
    assert read() == b"two\n"
    path.write_bytes(gzip.compress(b"six\n"))  # just now: it may change once more at this time
    assert read() == b"six\n"
    path.write_bytes(gzip.compress(b"two\n")[:-4])
    os.utime(path, (3000, 3000))
    with pytest.raises(InputError, match="ends too early"):
        read()
    assert [each.suffix for each in folder.iterdir()] == [".lock"]


def test_a_file_of_text_may_be_longer_than_memory_but_not_where_it_is_read_as_a_whole(tmp_path):
    """The file is a hole, which takes no room on the disk."""
    long = tmp_path / "long.txt"
    long.write_bytes(b"a\n")
    os.truncate(long, 20_000_000_000)
    open_unpacked(long, TextLimits()).close()
    story = tmp_path / "story.txt"
    story.write_text("line\n" * 300)
    with pytest.raises(InputError, match=r"longer than 1,000 bytes, .* raise data\.limits\.document_bytes"):
        read_text(story, TextLimits(document_bytes=1000))
