"""The WordPiece tokenizer: the same in every process, kept whole, and never larger than the embedding."""

import errno
import json
import logging
import os
import subprocess
import sys
from itertools import chain

import pytest

from whole_text import read_corpus
from zoo_common.data import files
from zoo_common.data.subwords.tokenizer import SPECIALS, train
from zoo_common.data.subwords.tokenizer_files import FILE, RECORD, open_tokenizer
from zoo_spec.data import TextData
from zoo_spec.errors import EnvironmentFault, InputError

TEXT = ["the cat sat on the mat", "the dog sat on the cat", "a naïve cat, a doggy mat"] * 4

FRESH = """
import hashlib
from itertools import chain
from whole_text import read_corpus
from zoo_spec.data import TextData
from zoo_common.data.subwords.tokenizer import train
found = train(chain(*read_corpus(TextData()).documents), {size}, True)
print(hashlib.sha256(found.tokenizer.to_str().encode()).hexdigest())
"""


def _open(run_dir, text=TEXT, size=200, vocabulary=None, made_from="text"):
    return open_tokenizer(
        sentences=text,
        made_from=made_from,
        vocabulary=vocabulary,
        vocabulary_size=size,
        lower_case=True,
        run_dir=run_dir,
    )


def test_training_gives_the_same_in_fresh_processes_with_any_hash_seed_and_threads():
    found = set()
    for hash_seed, threads in [("1", "1"), ("2", "2"), ("3", "4")]:
        environment = {
            **os.environ,
            "PYTHONHASHSEED": hash_seed,
            "RAYON_NUM_THREADS": threads,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        command = [sys.executable, "-c", FRESH.format(size=2000)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


def test_the_order_of_sentences_does_not_matter():
    assert train(TEXT, 100, True).tokenizer.to_str() == train(TEXT[::-1], 100, True).tokenizer.to_str()


def test_specials_come_first_and_no_piece_is_there_in_vain():
    found = train(chain(*read_corpus(TextData()).documents), 1000, True)
    vocabulary = found.tokenizer.get_vocab()
    assert [vocabulary[token] for token in SPECIALS] == [0, 1, 2, 3, 4]
    assert sorted(vocabulary.values()) == list(range(1000))
    assert "##." not in vocabulary, "punctuation stands alone and continues nothing"


def test_text_comes_back_lower_cased_and_special_names_in_it_are_words():
    found = train([*TEXT, "[mask] [sep]"] * 2, 200, True)
    (ids,) = found.encode(["The CAT [MASK] sat"])
    assert found.mask not in ids
    assert found.decode(ids) == "the cat [ mask ] sat"


def test_an_alphabet_too_large_loses_its_rarest_characters_only():
    text = ["".join(chr(0x4E00 + n) for n in range(500)), "".join(chr(0x4E00 + n) for n in range(40))]
    found = train(text, 100, True)
    assert found.size <= 100
    common, rare = found.encode([chr(0x4E00 + 3), chr(0x4E00 + 400)])
    assert common != rare == [found.tokenizer.token_to_id("[UNK]")]


def test_it_is_kept_in_the_run_directory_and_read_again(tmp_path):
    first = _open(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {FILE, RECORD}
    again = _open(tmp_path, text=["never read"])
    assert again.tokenizer.to_str() == first.tokenizer.to_str()
    assert again.encode(TEXT) == first.encode(TEXT)


def test_a_smaller_one_is_reported_and_a_larger_one_refused(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="zoo"):
        size = _open(tmp_path, size=5000).size
    assert f"{size:,} tokens" in caplog.text
    assert "5,000 rows" in caplog.text
    with pytest.raises(
        InputError, match=rf"it has {size} tokens, the model's embedding only {size - 1} rows; set"
    ):
        _open(tmp_path, size=size - 1)


def test_other_text_than_the_kept_one_was_made_from_is_reported(tmp_path, caplog):
    _open(tmp_path)
    _open(tmp_path, made_from="other text")
    assert "keeps its tokenizer" in caplog.text


@pytest.mark.parametrize("damage", ["flipped byte", "cut off", "no record", "broken record"])
def test_a_corrupt_cache_is_refused_by_name(tmp_path, damage):
    _open(tmp_path)
    kept, record = tmp_path / FILE, tmp_path / RECORD
    if damage == "flipped byte":
        data = bytearray(kept.read_bytes())
        data[len(data) // 2] ^= 1
        kept.write_bytes(data)
    elif damage == "cut off":
        kept.write_bytes(kept.read_bytes()[:-20])
    elif damage == "no record":
        record.unlink()
    else:
        record.write_text("{}")
    with pytest.raises(
        InputError, match=rf"tokenizer.*json: .*(corrupt|no such file).*delete it and {RECORD}"
    ):
        _open(tmp_path)


def test_a_full_disk_is_the_machines_fault_and_leaves_nothing(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(EnvironmentFault, match="No space left on device"):
        _open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_users_vocabulary_is_taken_as_it_is(tmp_path):
    path = tmp_path / "vocab.txt"
    tokens = ["[PAD]", "the", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "##s"]
    path.write_text("\n".join(tokens) + "\n")
    found = _open(tmp_path / "run", vocabulary=str(path), size=8)
    assert (found.size, found.mask) == (8, 5)
    assert found.encode(["The cats dog"]) == [[1, 6, 7, 2]]
    kept = str(tmp_path / "run" / FILE)
    assert _open(None, vocabulary=kept, size=8).encode(["The cats dog"]) == [[1, 6, 7, 2]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n", r"has no \[MASK\]"),
        (
            "vocab.txt",
            "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\na\n",
            r"vocab\.txt:7: the line repeats 'a' of line 6",
        ),
        ("vocab.txt", "[PAD]\n\n[UNK]\n", r"vocab\.txt:2: the line is empty"),
        ("vocab.txt", "", "empty"),
        ("tokenizer.json", "{", "not a tokenizer"),
        ("tokenizer.json", json.dumps({"model": 3}), "not a tokenizer"),
    ],
)
def test_a_vocabulary_of_another_form_is_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        _open(None, vocabulary=str(path))


def test_a_vocabulary_without_room_for_words_is_refused():
    with pytest.raises(InputError, match="vocabulary of 6 leaves no room"):
        train(TEXT, 6, True)
