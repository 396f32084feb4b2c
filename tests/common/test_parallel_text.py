"""Parallel files and CLDR's names as pairs: which lines belong together, and what is refused and where."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from zoo_common.data.records import open_records
from zoo_spec.data import CldrNames, ParallelText
from zoo_spec.data.limits import TextLimits
from zoo_spec.errors import InputError


def pairs(folder: Path, source: str | bytes, target: str | bytes, **fields: object):
    for name, content in (("a.en", source), ("a.de", target)):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    given = {"evaluation_fraction": 0.0, **fields}
    data = ParallelText(source_files=str(folder / "a.en"), target_files=str(folder / "a.de"), **given)
    found = open_records(data, "train", lambda record: None)
    return [found[index] for index in range(len(found))]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("inside", ["\u2028", "\x85", "\x0c", "\r", "\x1c", "\v"])
def test_nothing_but_a_newline_ends_a_line(tmp_path, end, inside):
    source = [f"one{inside}two", "three", "", "  four  "]
    target = ["eins", f"drei{inside}drei", "", "vier"]
    found = pairs(tmp_path, end.join(source) + end, "\ufeff" + end.join(target))
    assert [(each.source, each.target) for each in found] == [
        (one, other) for one, other in zip(source, target, strict=True) if one
    ]
    assert [each.where for each in found] == [f"{tmp_path}/a.en:{number}" for number in (1, 2, 4)]


BAD = {
    "a line too few": ("a\nb\nc\n", "A\nB\n", r"a\.en has 3 lines, and .*a\.de 2: line k of one"),
    "a line too many": ("a\nb\n", "A\nB\n\n", r"a\.en has 2 lines, and .*a\.de 3"),
    "a blank source": ("a\n \n", "A\nB\n", r"a\.en:2: the line is blank, and that of .*a\.de is not"),
    "a blank target": ("a\nb\n", "A\n\n", r"a\.de:2: the line is blank"),
    "an empty file": ("a\n", "", r"a\.de: the file is empty"),
    "blank lines alone": ("\n\n", "\n\n", "has no line with anything in it"),
    "no UTF-8": (b"a\nb\n", b"A\n\xffB\n", r"a\.de: not UTF-8: byte 0xff at byte offset 2 \(line 2\)"),
    "half a character": (b"a\nb\n", b"A\n\xed\xa0\x80\n", r"a\.de: not UTF-8: .*\(line 2\)"),
    "a long line": (
        b"a\nb\n",
        b"A\n" + b"B" * (1 << 20) + b"\n",
        r"a\.de: line 2 is longer than 1,048,576 bytes",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_parallel_text_is_refused_where_it_stands(tmp_path, name):
    source, target, said = BAD[name]
    with pytest.raises(InputError, match=said):
        pairs(tmp_path, source, target)


def test_a_bad_pair_may_be_left_out_and_the_others_keep_their_partners(tmp_path):
    found = pairs(tmp_path, "a\n\nc\n", "A\nB\nC\n", on_bad_record="skip", bad_records=0.5)
    assert [(each.source, each.target) for each in found] == [("a", "A"), ("c", "C")]


def test_files_that_change_while_they_are_read_are_refused(tmp_path):
    (tmp_path / "a.en").write_text("a\nb\n")
    (tmp_path / "a.de").write_text("A\nB\n")
    data = ParallelText(source_files=str(tmp_path / "a.en"), target_files=str(tmp_path / "a.de"))
    found = open_records(data, "train", lambda record: None)
    (tmp_path / "a.de").write_text("A\n")
    with pytest.raises(InputError, match=r"a\.de: has changed while it was read"):
        found[0]


def test_a_file_beyond_the_limits_or_without_a_partner_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.en: is 4 bytes long, and 3 are the most"):
        pairs(tmp_path, "a\nb\n", "A\n", limits=TextLimits(file_bytes=3))
    one = str(tmp_path / "a.en")
    data = ParallelText(source_files=[one, one], target_files=str(tmp_path / "a.de"))
    with pytest.raises(InputError, match=r"source_files names 2 files, and data\.target_files 1"):
        open_records(data, "train", lambda record: None)


def test_packed_files_and_patterns_are_read_alike(tmp_path):
    for number in (2, 1):
        with gzip.open(tmp_path / f"{number}.en.gz", "wt") as file:
            file.write(f"source {number}\n")
        (tmp_path / f"{number}.de").write_text(f"target {number}\n")
    data = ParallelText(
        source_files=str(tmp_path / "*.en.gz"), target_files=str(tmp_path / "*.de"), evaluation_fraction=0.0
    )
    found = open_records(data, "train", lambda record: None)
    assert [(found[index].source, found[index].target) for index in range(2)] == [
        ("source 1", "target 1"),
        ("source 2", "target 2"),
    ]


def test_files_to_evaluate_on_are_evaluated_on_alone(tmp_path):
    pairs(tmp_path, "a\nb\n", "A\nB\n")
    (tmp_path / "dev.en").write_text("c\n")
    (tmp_path / "dev.de").write_text("C\n")
    names = {
        f"{part}{side}_files": str(tmp_path / f"{name}.{language}")
        for part, name in (("", "a"), ("evaluation_", "dev"))
        for side, language in (("source", "en"), ("target", "de"))
    }
    found = {
        split: open_records(ParallelText(**names), split, lambda record: None) for split in ("train", "eval")
    }
    assert len(found["train"]) == 2
    assert [found["eval"][0].source, found["eval"][0].target] == ["c", "C"]


# Vuk's alphabet: a letter of one for each of the other, but for three that are two (Serbian orthography, 1868).
SERBIAN = dict(zip("абвгдђежзијклмнопрстћуфхцчш", "abvgdđežzijklmnoprstćufhcčš", strict=True)) | {
    "љ": "lj", "њ": "nj", "џ": "dž",
}  # fmt: skip


def test_the_names_of_the_two_serbian_alphabets_are_transliterations_of_each_other():
    found = open_records(CldrNames(evaluation_fraction=0.0), "train", lambda record: None)
    assert len(found) > 1500
    records = [found[index] for index in range(len(found))]
    assert len({record.source for record in records}) == len(records)
    same = [
        "".join(SERBIAN.get(letter, letter) for letter in record.source.lower()) == record.target.lower()
        for record in records
    ]
    assert sum(same) > 0.97 * len(records)


def test_languages_that_cldr_does_not_have_are_refused_by_name():
    with pytest.raises(InputError, match="no language 'xx'"):
        open_records(CldrNames(target_language="xx"), "train", lambda record: None)
