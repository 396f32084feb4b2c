"""Files from a stranger: each is answered in one line that names it, within ten seconds of computing and 500 MB."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from zoo_common.data.subwords.tokenizer import SPECIALS

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="measures itself as Linux lets it"
)

SUPPORT = Path(__file__).parent.parent / "support"
TOO_LONG = "are the most; raise data.limits."


def npy(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


def array(shape: str, descr: str = "'|u1'") -> bytes:
    return npy(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n") + bytes(64)


def tokenizer_json(**changes: object) -> dict:
    vocabulary = {token: index for index, token in enumerate([*SPECIALS, "a", "##a"])}
    content = json.loads(Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]")).to_str())
    return {**content, **changes}


def with_model(**changes: object) -> bytes:
    content = tokenizer_json()
    return json.dumps({**content, "model": {**content["model"], **changes}}).encode()


def slow(pattern: str) -> bytes:
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    return json.dumps(tokenizer_json(pre_tokenizer=json.loads(split.__getstate__()))).encode()


def normalized(part: dict) -> bytes:
    return json.dumps(tokenizer_json(normalizer=part)).encode()


def scans(count: int) -> bytes:
    """A progressive JPEG of 40 million black pixels, one of whose scans comes so many times more."""
    whole = io.BytesIO()
    Image.new("RGB", (6300, 6300)).save(whole, "JPEG", progressive=True)
    content = whole.getvalue()
    starts = [found.start() for found in re.finditer(b"\xff\xda", content)]
    return content[:-2] + content[starts[1] : starts[2]] * count + content[-2:]


def zipped_zeros(header: bytes) -> bytes:
    """Two thousand million zeros in two million bytes, as members of one gzip file."""
    return gzip.compress(header) + gzip.compress(bytes(20_000_000)) * 100


PRECOMPILED = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
REPLACED = json.loads(normalizers.Replace(Regex("(a+)+$"), "x").__getstate__())
# Name, reader, content (made where it is written, what is large), and what is said.
FILES = {
    "pixels.ppm": (
        "picture",
        b"P5 13000 13000 255\n",
        f"has 13,000 x 13,000 pixels, and 40,000,000 {TOO_LONG}",
    ),
    "bomb.ppm": (
        "picture",
        b"P5 99999 99999 255\n",
        "has more pixels than the 178,956,970 that Pillow reads",
    ),
    "negative.ppm": ("picture", b"P5 -9 9 255\n", "Pillow|no image"),
    "long.ppm": ("picture", b"P5 " + b"9" * 5000 + b" 9 255\n", "Pillow|no image"),
    "cut.png": ("picture", b"\x89PNG\r\n\x1a\n" + bytes(40), "Pillow|no image"),
    "scans.jpg": ("picture", partial(scans, 10_000), "times, and 100 are the most; save it again"),
    "few_scans.jpg": ("picture", partial(scans, 0), "read"),
    "bool.npy": ("picture", array("(True, 8, 8)"), "NumPy|shape|read"),
    "negative.npy": ("picture", array("(-1, 8, 8)"), "NumPy"),
    "huge.npy": ("picture", array("(4611686018427387904, 8, 8)"), "NumPy"),
    "large.npy": ("picture", array("(1, 9999999, 9999999)"), "NumPy"),
    "digits.npy": ("picture", array("(" + "9" * 5000 + ", 8)"), "NumPy"),
    "minus.npy": ("picture", npy("-" * 9000 + "1"), "NumPy"),
    "brackets.npy": ("picture", npy("(" * 9000), "NumPy"),
    "object.npy": ("picture", array("(8, 8)", "'|O'"), "NumPy"),
    "fields.npy": ("picture", array("(8, 8)", "[('a', '<f8', (1000000, 1000000))]"), "NumPy|holds"),
    "nul.npy": ("picture", npy("{'descr': '\0'}"), "NumPy"),
    "version.npy": ("picture", b"\x93NUMPY\x09\x09" + bytes(40), "NumPy"),
    "bomb.gz": (
        "idx",
        partial(zipped_zeros, struct.pack(">HBB3I", 0, 8, 3, 100, 4_000, 5_000)),
        f"has 2,000,000,016 bytes of pixels, and 256,000,000 {TOO_LONG}unpacked_bytes",
    ),
    "longer.gz": (
        "idx",
        partial(zipped_zeros, struct.pack(">HBB3I", 0, 8, 3, 1, 8, 8)),
        "longer than its header says",
    ),
    "whole.gz": (
        "picture",
        partial(zipped_zeros, struct.pack(">HBB3I", 0, 8, 3, 100, 4_000, 5_000)),
        TOO_LONG,
    ),
    "sizes.idx": ("idx", struct.pack(">HBB3I", 0, 8, 3, *[0xFFFFFFFF] * 3), "cut off"),
    "lines.txt": ("vocabulary", b"a\n" * 10_000_000, f"has 10,000,000 tokens, and 500,000 {TOO_LONG}"),
    "open.json": ("vocabulary", b"[" * 1_000_000, "JSON: is nested too deeply"),
    "objects.json": ("vocabulary", b'{"a":' * 1_000_000, "JSON: is nested too deeply"),
    "digits.json": ("vocabulary", b'{"a": ' + b"9" * 100_000 + b"}", "JSON"),
    "nul.json": ("vocabulary", b'{"model": "\0"}', "JSON"),
    "zeros.json": ("vocabulary", b"[" + b"0," * 8_000_000 + b"0]", "has no model"),
    "keys.json": ("vocabulary", b'{"a":0' + b',"b":0' * 7_000_000 + b"}", "vocabulary_tokens"),
    "lists.json": ("vocabulary", b"[" + b"[]," * 15_000_000 + b"0]", "vocabulary_tokens"),
    "null.json": ("vocabulary", b"null", "has no model"),
    "list.json": ("vocabulary", with_model(vocab=[]), "tokenizers"),
    "negative.json": ("vocabulary", with_model(vocab={"a": -1}), "tokenizers"),
    "boolean.json": ("vocabulary", with_model(vocab={"a": True}), "tokenizers"),
    "large.json": ("vocabulary", with_model(vocab={"a": 2**80}), "tokenizers"),
    "empty.json": ("vocabulary", with_model(vocab={}), "the vocabulary has no tokens"),
    "cubic.json": (
        "vocabulary",
        with_model(max_input_chars_per_word=10**9),
        "max_input_chars_per_word is",
    ),
    "token.json": ("vocabulary", with_model(vocab={"a" * 5000: 0}), "has a token of 5,000 characters"),
    "panic.json": (
        "vocabulary",
        normalized(PRECOMPILED),
        "tokenizers: Precompiled",
    ),
    "pattern.json": (
        "vocabulary",
        slow("((((a{1,99}){1,99}){1,99}){1,99}){1,99}"),
        "tokenizers|took more than|read",
    ),
    "exponential.json": (
        "encode",
        slow("(a+)+$"),
        "for 92,000 characters of text: it has (a+)+$",
    ),
    "alternatives.json": ("encode", slow("(a|a|aa)+$"), "took more than|retry-limit"),
    "cubes.json": ("encode", slow(r"\w*\w*\w*\w*\w*$"), "took more than|retry-limit|read"),
    "replaced.json": (
        "encode",
        normalized(REPLACED),
        "took more than|retry-limit",
    ),
    "word.txt": ("train", b"a" * 200_000, "read"),
    "marks.txt": ("train", "ü".encode() * 200_000, "read"),
    "text_word.txt": ("text", b"a" * 200_000, "read"),
}
LONG = 200_000_000


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> dict[str, str]:
    """What is said of each file, by its name."""
    folder = tmp_path_factory.mktemp("hostile")
    asked = []
    for name, (reader, content, _) in FILES.items():
        (folder / name).write_bytes(content() if callable(content) else content)
        asked.append((name, reader, folder / name))
    Image.new("1", (13_300, 13_300)).save(folder / "picture.png")
    asked.append(("picture.png", "picture", folder / "picture.png"))
    with (folder / "line").open("wb") as file:
        file.truncate(LONG)
    os.mkfifo(folder / "pipe")
    for reader in ("picture", "idx", "text", "vocabulary", "input"):
        asked += [(f"{reader} {name}", reader, path) for name, path in _places(folder)]
    lines = "".join(json.dumps([name, reader, str(path)]) + "\n" for name, reader, path in asked)
    found = subprocess.run(
        [sys.executable, SUPPORT / "hostile_reader.py"],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
    )
    answers = dict(map(json.loads, found.stdout.splitlines()))
    missing = [name for name, _, _ in asked if name not in answers]
    assert not missing, f"ended with {found.returncode} at {missing[0]}: {found.stderr[-500:]}"
    assert "panicked" not in found.stderr
    return answers


def _places(folder: Path) -> list[tuple[str, Path]]:
    return [
        ("line", folder / "line"),
        ("pipe", folder / "pipe"),
        ("zero", Path("/dev/zero")),
        ("folder", folder),
        ("name", folder / ("n" * 300)),
        ("nul", folder / "a\0b"),
        ("not utf-8", Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9"))),
    ]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_answered_in_one_line(said, name):
    answer = said[name]
    assert "\n" not in answer
    if answer != "read":
        assert f"/{name}: " in answer
    assert any(part in answer for part in FILES[name][2].split("|")), answer


def test_a_picture_of_177_million_pixels_in_half_a_megabyte_is_refused_before_it_is_unpacked(said):
    assert (
        f"picture.png: has 13,300 x 13,300 pixels, and 40,000,000 {TOO_LONG}picture_pixels"
        in said["picture.png"]
    )


@pytest.mark.parametrize("reader", ["picture", "idx", "text", "vocabulary", "input"])
def test_what_is_no_file_of_its_kind_is_answered_whoever_reads_it(said, reader):
    assert "is a pipe, which may never end" in said[f"{reader} pipe"]
    assert said[f"{reader} zero"].startswith("/dev/zero: is a device")
    assert "is a directory" in said[f"{reader} folder"]
    assert "File name too long" in said[f"{reader} name"]
    assert r"a\x00b: no file can have this name" in said[f"{reader} nul"]
    assert r"caf\udce9: there is no such file" in said[f"{reader} not utf-8"]


def test_a_line_of_200_million_bytes_is_never_held(said):
    assert "line: line 1 is longer than 1,048,576 bytes; raise data.limits.line_bytes" in said["text line"]
    assert "vocabulary_tokens" in said["vocabulary line"]
    assert said["input line"] == "read"
