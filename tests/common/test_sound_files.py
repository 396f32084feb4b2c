"""FLAC and WAV, and the layouts in which they come: what is read of each, and what is refused, by name."""

from __future__ import annotations

import io
import struct
import sys
import zipfile

import numpy as np
import pytest
import soundfile

from sound_folders import RATE, SAID, librispeech, manifest, written
from zoo_common.data import sound_marks  # noqa: F401  (registers the marks)
from zoo_common.data.file_marks import sources
from zoo_common.data.records import open_records
from zoo_common.data.sources.sound_files import FileSound, Part
from zoo_spec.data import AudioTable, LibriSpeech
from zoo_spec.data.limits import SoundLimits
from zoo_spec.errors import EnvironmentFault, InputError


def all_of(data, split="train"):
    records = open_records(data.model_copy(update={"evaluation_fraction": 0.0}), split, lambda record: None)
    return [records[index] for index in range(len(records))]


@pytest.mark.parametrize("name", ["a.flac", "a.wav"])
def test_a_part_of_a_sound_is_what_soundfile_reads_there_and_its_length_needs_no_decoding(tmp_path, name):
    path = written(tmp_path / name, 5000)
    whole, _ = soundfile.read(path, dtype="float32")
    sound = FileSound(str(path), SoundLimits())
    assert (sound.rate, sound.length) == (RATE, 5000)
    np.testing.assert_array_equal(sound.read(), whole)
    np.testing.assert_array_equal(sound.read(1234, 2345), whole[1234:2345])
    np.testing.assert_array_equal(sound.read(4990, 9999), whole[4990:])


def test_a_zip_file_that_holds_sounds_as_they_are_is_read_from_where_the_list_says(tmp_path):
    data = manifest(tmp_path, wrd="GO\nDO\n")
    with zipfile.ZipFile(tmp_path / "sounds/all.zip", "w", zipfile.ZIP_STORED) as archive:
        for number in (0, 1):
            archive.write(tmp_path / f"sounds/{number}.flac", f"{number}.flac")
        places = [
            (each.header_offset + 30 + len(each.filename), each.file_size) for each in archive.infolist()
        ]
    lines = [
        f"all.zip:{first}:{size}\t{samples}"
        for (first, size), samples in zip(places, (4000, 8000), strict=True)
    ]
    (tmp_path / "train.tsv").write_text("\n".join(["/theirs", *lines]) + "\n", encoding="utf-8")
    found = all_of(data)
    assert [each.sound.length for each in found] == [4000, 8000]
    np.testing.assert_array_equal(
        found[1].sound.read(), soundfile.read(tmp_path / "sounds/1.flac", dtype="float32")[0]
    )


def wave(
    data: bytes,
    *,
    size: int | None = None,
    rate: int = RATE,
    channels: int = 1,
    bits: int = 16,
    form: int = 1,
) -> bytes:
    """A WAV file, written by hand after Microsoft's description."""
    block = channels * bits // 8
    head = struct.pack("<HHIIHH", form, channels, rate, rate * block, block, bits)
    chunks = b"fmt " + struct.pack("<I", len(head)) + head
    chunks += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def flac(samples: int = 20_000) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, samples)
    soundfile.write(file, noise, RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def many_samples() -> bytes:
    """A FLAC file whose header has 2**36 - 1 samples (RFC 9639, 8.2: 36 bits from bit 108 of STREAMINFO on)."""
    found = bytearray(flac())
    found[8 + 13] |= 0x0F
    found[8 + 14 : 8 + 18] = b"\xff" * 4
    return bytes(found)


HOSTILE = {
    "nothing": (b"", "is empty"),
    "text": (b"no sound at all, but text" * 9, "neither FLAC nor WAV"),
    "an MP3's beginning": (b"ID3\x04" + bytes(200), "neither FLAC nor WAV"),
    "a FLAC of its mark alone": (b"fLaC", "cannot be read by libsndfile"),
    "a FLAC without its second half": (flac()[: len(flac()) // 2], "cannot be read by libsndfile|ends"),
    "a FLAC whose frames are zeros": (
        flac()[:200] + bytes(len(flac()) - 200),
        "cannot be read by libsndfile|ends",
    ),
    "a FLAC with an absurd header": (many_samples(), "68,719,476,735 samples.*sound_samples"),
    "a WAV that was cut off": (wave(bytes(8000), size=16_000), "8,000 bytes of sound.*16,000.*cut off"),
    "a WAV written to a pipe": (wave(bytes(800), size=0xFFFFFFFF), "written to a pipe"),
    "a WAV of one chunk that never ends": (
        b"RIFF\xff\xff\xff\xffWAVE" + b"junk\0\0\0\0" * 20_000,
        "no chunk data",
    ),
    "a WAV without samples": (wave(b""), "has no samples"),
    "samples that are no numbers": (wave(np.full(4000, np.nan, "<f4").tobytes(), bits=32, form=3), "NaN"),
    "two channels": (wave(bytes(8000), channels=2), "2 channels.*ffmpeg"),
    "255 channels": (wave(bytes(51_000), channels=255), "255 channels|cannot be read"),
    "a rate of nothing": (wave(bytes(8000), rate=0), "0 samples a second|cannot be read"),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("policy", ["fail", "skip"])
def test_a_file_that_is_no_good_sound_is_one_line_with_its_name(tmp_path, case, policy):
    content, message = HOSTILE[case]
    folder = librispeech(tmp_path, SAID)
    (folder / "84-121123-0001.flac").write_bytes(content)
    data = LibriSpeech(directory=str(tmp_path), subsets="dev-clean", on_bad_record=policy, bad_records=0.5)
    if policy == "skip":
        assert [each.transcript for each in all_of(data)] == ["GO", "IT'S HE"]
        return
    with pytest.raises(InputError, match=message) as error:
        all_of(data)
    assert "84-121123-0001.flac" in str(error.value)
    assert "\n" not in str(error.value)


def test_damage_in_the_middle_is_met_where_it_is_read_and_skipped_where_records_may_be(tmp_path):
    folder = librispeech(tmp_path, SAID)
    damaged = bytearray(flac())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 3000] = bytes(3000)
    (folder / "84-121123-0001.flac").write_bytes(damaged)
    found = all_of(LibriSpeech(directory=str(tmp_path), subsets="dev-clean"))
    with pytest.raises(InputError, match=r"84-121123-0001\.flac: "):
        found[1].sound.read()
    data = LibriSpeech(directory=str(tmp_path), subsets="dev-clean", on_bad_record="skip", bad_records=0.5)
    assert len(all_of(data)) == 2


def test_a_sound_that_is_another_while_it_is_read_is_noticed(tmp_path):
    path = written(tmp_path / "a.wav", 5000)
    sound = FileSound(str(path), SoundLimits())
    written(path, 3000)
    with pytest.raises(InputError, match="has changed while it was read"):
        sound.read(0, 100)


def test_a_part_beyond_the_file_and_limits_are_refused_before_anything_is_read(tmp_path):
    path = written(tmp_path / "a.wav", 5000)
    with pytest.raises(InputError, match=r"bytes, and .* are asked for"):
        FileSound(str(path), SoundLimits(), Part(100, 3_000_000_000))
    with pytest.raises(InputError, match="file_bytes"):
        FileSound(str(path), SoundLimits(file_bytes=100))
    with pytest.raises(InputError, match="sound_samples"):
        FileSound(str(path), SoundLimits(sound_samples=100))


def test_librispeech_gives_each_sound_its_line_by_its_own_splits(tmp_path):
    librispeech(tmp_path, SAID)
    other = librispeech(tmp_path / "more", {"84-121123-0000": "OTHER"})
    other.parents[1].rename(tmp_path / "LibriSpeech/test-clean")
    (tmp_path / "LibriSpeech/SPEAKERS.TXT").write_text(
        "; a comment\n84 | F | dev-clean | 8.02 | Christie Nowak\n"
    )
    data = LibriSpeech(directory=str(tmp_path), subsets="dev-clean", evaluation_subsets="test-clean")
    assert [each.transcript for each in all_of(data)] == list(SAID.values())
    assert [each.transcript for each in all_of(data, "eval")] == ["OTHER"]
    assert all_of(data)[2].where.endswith("84-121123.trans.txt:3")
    assert [(each.use, each.path.name) for each in sources(data)] == [
        ("train", "84-121123.trans.txt"),
        ("eval", "84-121123.trans.txt"),
    ]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "84-121123-0001.flac").unlink(), r"trans\.txt:2: there is no sound 84-121123-0001"),
        (lambda folder: written(folder / "84-121123-0009.flac"), r"84-121123-0009\.flac: has no line in 84-121123"),
        (lambda folder: (folder / "84-121123.trans.txt").unlink(), "has no SPEAKER/CHAPTER"),
        (lambda folder: written(folder.parent / "77/84-77-0000.flac"), r"77: has sounds and no 84-77\.trans\.txt"),
        (
            lambda folder: (folder / "84-121123.trans.txt").write_bytes(b"84-121123-0000 GO\n84 \xff\xfe\n"),
            "not UTF-8: byte 0xff.*line 2",
        ),
        (lambda folder: folder.parents[1].rename(folder.parents[2] / "dev-other"), "no subset .*dev-other"),
    ],
)  # fmt: skip
def test_a_transcript_without_its_sound_and_the_reverse_are_named(tmp_path, spoil, message):
    spoil(librispeech(tmp_path, SAID))
    with pytest.raises(InputError, match=message):
        all_of(LibriSpeech(directory=str(tmp_path), subsets="dev-clean"))


def test_a_manifest_gives_each_sound_the_lines_of_its_number(tmp_path):
    # 0.25 and 0.5 s at 50 units a second; fairseq's letters end with |.
    data = manifest(
        tmp_path, ltr="O H | N O |\nI T ' S |\n", km="17 17 296 20 1 2 3 4 5 6 7 8\n" + "5 " * 25 + "\n"
    )
    first, second = all_of(data)
    assert (first.transcript, second.transcript) == ("OH NO", "IT'S")
    assert first.units.tolist()[:4] == [17, 17, 296, 20]
    assert (first.sound.length, second.sound.length, second.unit_rate) == (4000, 8000, 50)
    assert {each.path.name for each in sources(data)} == {"train.tsv", "train.ltr", "train.km"}


def test_units_begin_at_four_only_where_a_dictionary_says_so(tmp_path):
    data = manifest(tmp_path, km="1 0 2\n0 0\n")
    (tmp_path / "dict.km.txt").write_text("0 1\n2 1\n1 1\n", encoding="utf-8")
    assert all_of(data)[0].units.tolist() == [1, 0, 2]
    named = data.model_copy(update={"unit_dictionary": str(tmp_path / "dict.km.txt")})
    assert all_of(named)[0].units.tolist() == [6, 4, 5]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("train.wrd", "GO\n", r"train\.wrd: has 1 lines, and .*train\.tsv 2 sounds"),
        ("train.wrd", "GO\nDO\nNO\n", "has 3 lines, and .* 2 sounds"),
        ("train.tsv", "/theirs\n0.flac\t4000\n", "has 2 lines, and .* 1 sounds"),
        ("train.tsv", "/theirs\n0.flac\t4001\n1.flac\t8000\n", r"train\.tsv:2: says 4,001 samples, .* has 4,000"),
        ("train.tsv", "/theirs\n0.flac 4000\n1.flac\t8000\n", r"train\.tsv:2: is no path, a tab"),
        ("train.tsv", "/theirs\n0.flac\t4000\nnone.flac\t8000\n", r"none\.flac: there is no such file"),
        ("train.tsv", "/theirs\n0.flac\t-4000\n1.flac\t8000\n", "is no path, a tab"),
        ("train.km", "1 2\n3 x\n", r"train\.km:2: 'x' is no number"),
        ("train.km", "1 2\n3 99999999999\n", r"train\.km:2: '99999999999' is no number"),
        ("train.tsv", "", "empty"),
    ],
)  # fmt: skip
def test_lists_that_do_not_belong_together_are_refused_with_both_numbers(tmp_path, file, content, message):
    data = manifest(tmp_path, wrd="GO\nDO\n", km="1 2\n3 4\n")
    (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        all_of(data)


def test_an_authors_folder_that_is_not_here_asks_for_another(tmp_path):
    data = manifest(tmp_path, wrd="GO\nDO\n").model_copy(update={"root": None})
    with pytest.raises(
        InputError, match=r"/data/theirs.* by its first line, which is no folder here; set data\.root"
    ):
        all_of(data)


def test_a_table_names_sounds_and_what_is_said_in_them(tmp_path):
    manifest(tmp_path, wrd="GO\nDO\n")
    table = tmp_path / "clips.tsv"
    table.write_text("client\tpath\tsentence\nx\t1.flac\tDo you\ny\t0.flac\tGo\n", encoding="utf-8")
    data = AudioTable(files=str(table), path="path", text="sentence", root=str(tmp_path / "sounds"))
    found = all_of(data)
    assert [(each.sound.length, each.transcript) for each in found] == [(8000, "Do you"), (4000, "Go")]
    assert [each.path.name for each in sources(data)] == ["clips.tsv"]
    assert open_records(data, "train", lambda record: None).description().libraries == ("numpy", "soundfile")
    table.write_text("path\tsentence\n1.flac\tDo\nno.flac\tGo\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"clips\.tsv:3: .*no\.flac: there is no such file"):
        all_of(data)


def test_a_missing_library_is_one_line_that_says_what_installs_it(tmp_path, monkeypatch):
    path = written(tmp_path / "a.wav")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(EnvironmentFault, match=r"needs soundfile, which .* pip install 'dualzoo\[audio\]'"):
        FileSound(str(path), SoundLimits())
