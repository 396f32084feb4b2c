"""Byte-level BPE: trained here or read from a file, and what BERT's examples need of it."""

import numpy as np
import pytest
from tokenizers import ByteLevelBPETokenizer

from zoo_common.data.subwords.byte_level_bpe import ByteLevelBpe, train
from zoo_common.data.subwords.tokenizer_files import open_tokenizer, run_tokenizer
from zoo_spec.data import TextData
from zoo_spec.errors import InputError

TEXT = ["the cat sat on the mat", "The dog sat on the cat,", "a naïve cat: 猫", "lower and lowest"] * 5


def _open(run_dir=None, vocabulary=None, kind="byte_level_bpe", size=300):
    return open_tokenizer(
        sentences=TEXT,
        made_from="text",
        vocabulary=vocabulary,
        vocabulary_size=size,
        kind=kind,
        lower_case=True,
        run_dir=run_dir,
    )


def test_two_trainings_agree_and_special_tokens_have_fairseq_s_ids():
    one, two = train(TEXT, 300), train(TEXT, 300)
    assert one.tokenizer.to_str() == two.tokenizer.to_str()
    assert one.size <= 300
    assert (one.cls, one.pad, one.sep, one.mask) == (0, 1, 2, 4)


def test_any_text_has_tokens_and_comes_back_with_its_case_and_accents():
    tokenizer = train(TEXT, 300)
    for text in ("The naïve 猫 sat", "words never seen: Ünïcödé 🙂", "a  b"):
        (ids,) = tokenizer.encode([text])
        assert tokenizer.decode(ids) == text
        assert min(ids) > tokenizer.mask


def test_special_tokens_in_a_text_are_words_like_any_other():
    (ids,) = train(TEXT, 300).encode(["a <mask> here"])
    assert min(ids) > 4


def test_a_word_begins_with_the_space_before_it():
    tokenizer = train(TEXT, 300)
    continues = tokenizer.continues()
    (ids,) = tokenizer.encode([" the unseen, cat"])
    words = "".join("|" * (not continues[index]) + tokenizer.decode([index]).strip() for index in ids)
    assert words == "|the|unseen,|cat"
    assert not continues[: tokenizer.mask + 1].any()


def test_tokens_are_shown_as_words_and_as_pieces():
    tokenizer = train(TEXT, 300)
    (ids,) = tokenizer.encode([" the cats"])
    assert [tokenizer.shown(index) for index in ids] == ["the", "cat", "##s"]
    assert tokenizer.shown(tokenizer.mask) == "<mask>"


def test_it_is_kept_in_the_run_directory(tmp_path):
    first = _open(tmp_path)
    assert isinstance(run_tokenizer(TextData(), tmp_path, 300), ByteLevelBpe)
    assert _open(tmp_path).encode(TEXT) == first.encode(TEXT)


def test_a_file_that_another_trainer_wrote_is_read(tmp_path):
    theirs = ByteLevelBPETokenizer(add_prefix_space=True)
    theirs.train_from_iterator(
        TEXT, vocab_size=290, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    )
    path = tmp_path / "tokenizer.json"
    theirs.save(str(path))
    found = _open(vocabulary=str(path))
    assert found.encode(["the naïve cat"]) == [theirs.encode("the naïve cat").ids]
    assert np.array_equal([found.cls, found.pad], [0, 1])


def test_a_tokenizer_of_the_other_kind_and_too_small_a_vocabulary_are_refused(tmp_path):
    _open(tmp_path)
    with pytest.raises(InputError, match=r"byte_level_bpe tokenizer, and data.tokenizer is wordpiece"):
        _open(tmp_path, kind="wordpiece")
    with pytest.raises(InputError, match=r"model.vocab_size to 261 at least"):
        _open(size=260)
