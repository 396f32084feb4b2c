"""SentencePiece's own files: the ids that its library and ``transformers`` give, and what is wrong with a file."""

from __future__ import annotations

import io
import json
import random
import struct

import pytest
import sentencepiece
import transformers
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from hub_folders import hub_folder
from zoo_common.data.subwords.tokenizer_files import open_tokenizer, run_tokenizer
from zoo_common.data.subwords.vocabularies import read_unigrams
from zoo_common.published import import_published
from zoo_common.published.author_tokenizers import keras_hub_tokenizer, mesh_tokenizer
from zoo_spec import load_spec
from zoo_spec.errors import InputError

WORDS = (
    "the",
    "play",
    "ing",
    "Paris",
    "of",
    "naïve",
    "café",
    "漢字",
    "かな",
    "123",
    "x²",
    "ﬁne",
    "hello",
    *".,!?-'()spad",
)
NASTY = (
    "", " ", "  the  play ", "\tthe\nplay\n", "the\u3000play\u00a0ing", "ｆｕｌｌ　ｗｉｄｔｈ １２３", "cafe\u0301",
    "😀 the 👨‍👩‍👧 play", "a\x01b\x7f\x85c", "\u200bthe\u200dplay\ufeff", "ﬁne x² ½", "한국어", "the\u2028play\u2029",
    "\u0301the", "a" * 500, " " * 3000 + "x" + " " * 3000, "\x0b\x0cthe", "\x01", "\x01 the \x01", "İi̇", "\ue000",
    *(f"the{chr(code)}play" for code in range(0x3001) if chr(code).isspace()),
)  # fmt: skip
T5S = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}


def trained(**options):
    rng = random.Random(0)
    lines = (" ".join(rng.choice(WORDS) for _ in range(8)) for _ in range(200))
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=out, minloglevel=2, num_threads=1, hard_vocab_limit=False,
        **{"vocab_size": 80, **T5S, **options},
    )  # fmt: skip
    return out.getvalue()


@pytest.fixture(scope="module")
def model():
    return trained()


def size(data):
    return sentencepiece.SentencePieceProcessor(model_proto=data).get_piece_size()


def written(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "options",
    [{}, {"normalization_rule_name": "identity"}, {"normalization_rule_name": "nfkc_cf"},
     {"byte_fallback": True, "vocab_size": 400}, {"add_dummy_prefix": False}, {"remove_extra_whitespaces": False},
     {"split_by_whitespace": False}],
    ids=str,
)  # fmt: skip
def test_texts_have_the_ids_that_sentencepiece_gives_by_a_file_s_own_rules(options, tmp_path):
    data = trained(**options)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=data)
    ours, said = read_unigrams(written(tmp_path / "x", data), size(data) + 128)
    # A text of which nothing is left is a space there, where spaces stay and one is put before.
    texts = [text for text in (*NASTY, "▁the▁▁play▁") if text != "\x01"]
    assert ours.encode(texts) == theirs.encode(texts)
    assert ours.decode(theirs.encode("the naïve play")) == theirs.decode(theirs.encode("the naïve play"))
    assert not said


def t5_folder(path, data, rows):
    hub_folder(path, load_spec("t5_tiny", [f"model.vocab_size={rows}"]))
    (path / "vocab.txt").unlink()
    written(path / "spiece.model", data)


def test_a_t5_folder_with_nothing_but_spiece_model_answers_texts_as_transformers_does(model, tmp_path):
    rows = size(model) + 128
    t5_folder(tmp_path / "hub", model, rows)
    done = import_published(tmp_path / "hub", tmp_path / "run")
    ours = run_tokenizer(done.spec.data, tmp_path / "run", rows)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "hub")
    # What its tables leave as it is, this one character, is a space to transformers alone and not to SentencePiece.
    texts = [text for text in NASTY if "\x85" not in text]
    assert ours.encode(texts) == [theirs.encode(text, add_special_tokens=False) for text in texts]
    assert ours.sentinels == (size(model) + 99, -1, 100)
    for token in ("<pad>", "</s>", "<unk>", "<extra_id_0>", "<extra_id_99>"):
        assert ours.tokenizer.token_to_id(token) == theirs.convert_tokens_to_ids(token)
    kept = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "run" / "tokenizer.json"))
    for text in ("fill <extra_id_0> here", "the end</s>"):
        assert kept(text, "play")["input_ids"] == theirs(text, "play")["input_ids"]
    assert (tmp_path / "run" / "published" / "spiece.model").read_bytes() == model


def test_sentinels_are_added_where_the_table_has_rows_for_them(model, tmp_path):
    path, pieces = written(tmp_path / "spiece.model", model), size(model)
    assert read_unigrams(path, pieces + 100)[0].size == pieces + 100
    found, [said] = read_unigrams(path, pieces + 99)
    assert found.size == pieces
    assert said.endswith("rows 99 are left, too few for 100 sentinels, and none are added")
    t5_folder(tmp_path / "hub", model, pieces + 7)
    (tmp_path / "hub" / "tokenizer_config.json").write_text(json.dumps({"extra_ids": 5}))
    done = import_published(tmp_path / "hub", tmp_path / "run")
    assert run_tokenizer(done.spec.data, tmp_path / "run", pieces + 7).sentinels == (pieces + 4, -1, 5)


def test_mesh_tensorflow_s_file_and_keras_hub_s_are_read(model, tmp_path):
    theirs = sentencepiece.SentencePieceProcessor(model_proto=model)
    written(tmp_path / "sentencepiece.model", model)
    written(tmp_path / "assets" / "tokenizer" / "vocabulary.spm", model)
    for read in (mesh_tokenizer, keras_hub_tokenizer):
        found, said = read(tmp_path, size(model) + 128)
        assert found.pieces.encode(list(NASTY)) == theirs.encode(list(NASTY))
        assert found.pieces.sentinels[2] == 100
        assert not said
    assert mesh_tokenizer(tmp_path / "assets", 100)[0] is None


def changed(data, change):
    proto = ModelProto.FromString(data)
    change(proto)
    return proto.SerializeToString()


CHANGES = {
    "its model_type is of BPE, and unigrams": lambda proto: setattr(proto.trainer_spec, "model_type", 2),
    "its model_type is of words": lambda proto: setattr(proto.trainer_spec, "model_type", 3),
    "its model_type is of characters": lambda proto: setattr(proto.trainer_spec, "model_type", 4),
    "has treat_whitespace_as_suffix": lambda proto: setattr(
        proto.trainer_spec, "treat_whitespace_as_suffix", True
    ),
    "has no escape_whitespaces": lambda proto: setattr(proto.normalizer_spec, "escape_whitespaces", False),
    r"the piece \S+ \(id 7\) is defined by its user": lambda proto: setattr(proto.pieces[7], "type", 4),
    r"the piece \S+ \(id 7\) is marked as unused": lambda proto: setattr(proto.pieces[7], "type", 5),
    "a piece has the score nan": lambda proto: setattr(proto.pieces[7], "score", float("nan")),
    "the piece of id 7 is empty": lambda proto: setattr(proto.pieces[7], "piece", ""),
    "the piece of id 7 is there twice: ▁the": lambda proto: (
        setattr(proto.pieces[6], "piece", "▁the"), setattr(proto.pieces[7], "piece", "▁the")),
    "it has 0 pieces for what is unknown": lambda proto: setattr(proto.pieces[2], "type", 1),
    "it has no pieces": lambda proto: proto.ClearField("pieces"),
    "the vocabulary has no <pad>": lambda proto: setattr(proto.pieces[0], "piece", "<nothing>"),
    "its precompiled_charsmap is cut short": lambda proto: setattr(
        proto.normalizer_spec, "precompiled_charsmap", b"\xff\xff\xff\x7fabc"
    ),
    "a token of 2,000 characters": lambda proto: setattr(proto.pieces[7], "piece", "a" * 2000),
}  # fmt: skip


@pytest.mark.parametrize("match", CHANGES)
def test_what_cannot_be_kept_or_is_damaged_is_refused_by_name(match, model, tmp_path):
    path = written(tmp_path / "spiece.model", changed(model, CHANGES[match]))
    with pytest.raises(InputError, match=rf"spiece\.model: .*{match}") as error:
        read_unigrams(path, 300)
    assert "\n" not in str(error.value)


def test_a_file_that_was_cut_short_is_refused_in_a_line_and_one_of_noise_too(model, tmp_path):
    small = changed(model, lambda proto: proto.ClearField("normalizer_spec"))
    inside = small.index("▁the".encode()) + 2
    for end in (0, 1, 9, inside, len(small) - 1):
        with pytest.raises(InputError) as error:
            read_unigrams(written(tmp_path / "x", small[:end]), 300)
        assert "\n" not in str(error.value)
    for seed in range(50):
        with pytest.raises(InputError, match="is no SentencePiece model, or damaged"):
            read_unigrams(written(tmp_path / "x", random.Random(seed).randbytes(200)), 300)


def test_a_file_of_a_million_empty_pieces_or_of_any_length_is_refused_before_it_is_read(tmp_path):
    with pytest.raises(InputError, match="a message has more than 500,064 values"):
        read_unigrams(written(tmp_path / "x", b"\x0a\x00" * 1_000_000), 300)
    inside = b"\x0a" + bytes([130, 1]) + b"\x18\x01" * 65
    with pytest.raises(InputError, match="a message has more than 64 values"):
        read_unigrams(written(tmp_path / "x", inside), 300)
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match=r"is 1,099,511,627,776 bytes long"):
        read_unigrams(tmp_path / "huge", 300)


def test_a_folder_whose_file_is_damaged_is_imported_without_a_tokenizer_and_that_is_said(model, tmp_path):
    t5_folder(tmp_path / "hub", b"\x0a" + struct.pack("<I", 1 << 31), 300)
    done = import_published(tmp_path / "hub", tmp_path / "run")
    assert any("the tokenizer is not read" in note and "spiece.model" in note for note in done.report.notes)
    assert not (tmp_path / "run" / "tokenizer.json").exists()


def test_a_spec_s_vocabulary_may_be_a_file_and_has_to_fit_the_embedding_with_its_sentinels(model, tmp_path):
    path, pieces = str(written(tmp_path / "spiece.model", model)), size(model)

    def opened(rows, reserved, run_dir=None):
        return open_tokenizer(
            sentences=[], made_from="", vocabulary=path, vocabulary_size=rows - reserved, kind="sentencepiece",
            lower_case=False, run_dir=run_dir, reserved=reserved,
        )  # fmt: skip

    assert opened(pieces + 100, 7).sentinels == (pieces + 99, -1, 100)
    assert opened(pieces + 7, 7).sentinels is None
    said = rf"has {pieces} tokens, .* only {pieces - 1} rows beside 7 .* model\.vocab_size to {pieces + 7} at least"
    with pytest.raises(InputError, match=said):
        opened(pieces + 6, 7)
    with pytest.raises(InputError, match=r"100 sentinels .* an example may have 101 spans"):
        opened(pieces + 101, 101)
    written(tmp_path / "spiece.model", model[:500])
    with pytest.raises(InputError, match=r"spiece\.model: is no SentencePiece model, or damaged"):
        opened(500, 0)


def test_a_trained_vocabulary_is_kept_in_the_run_and_read_by_transformers(tmp_path):
    lines = [" ".join(WORDS[start:]) for start in range(len(WORDS))] * 9
    asked = {"made_from": "text", "vocabulary": None, "vocabulary_size": 120, "lower_case": True}
    first = open_tokenizer(sentences=lines, kind="sentencepiece", run_dir=tmp_path, **asked)
    again = open_tokenizer(sentences=[], kind="sentencepiece", run_dir=tmp_path, **asked)
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    for text in NASTY:
        wanted = first.encode([text])
        assert again.encode([text]) == wanted == [theirs.encode(text, add_special_tokens=False)]
