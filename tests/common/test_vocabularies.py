"""The files that a vocabulary comes in: GPT-2's and RoBERTa's as they are published, against ``transformers``."""

from __future__ import annotations

import json

import numpy as np
import pytest
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from zoo_common.data import batch, open_dataset
from zoo_common.data.makers.masking import WholeSpans
from zoo_common.data.subwords.byte_level_bpe import END_OF_TEXT, SPECIALS, train
from zoo_common.data.subwords.tokenizer_files import open_tokenizer, run_tokenizer
from zoo_common.data.subwords.vocabularies import fingerprint, read_vocabulary
from zoo_spec.data import TextData
from zoo_spec.errors import InputError
from zoo_spec.spec_files.loading import load_spec

TEXT = ["the cat sat on the mat", " The dog sat on the cat,", "a naïve cat: 猫", " lower and lowest"] * 5
UNICODE = [
    "The naïve 猫 sat, didn't it?",
    " a  b\t\n c ",
    "Ünïcödé e\u0301 ﬁ İ ǘ",
    "👩\u200d👩\u200d👧 🙂🙂",
    "\u00a0\u3000한국어 日本語 אבג \u200b\x00",
    "12 345,6.7 x2 --> !!",
    "",
]


def published(folder, specials):
    """``vocab.json`` and ``merges.txt`` with these special tokens: the first's path, and what both hold."""
    model = json.loads(train(TEXT, 320).tokenizer.to_str())["model"]
    tokens = [token for token in model["vocab"] if token not in SPECIALS]
    vocabulary = {token: index for index, token in enumerate([*specials, *tokens])}
    merges = [tuple(pair) for pair in model["merges"]]
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    return str(folder / "vocab.json"), vocabulary, merges


@pytest.mark.parametrize(
    ("theirs", "specials"),
    [(transformers.RobertaTokenizer, SPECIALS), (transformers.GPT2Tokenizer, (END_OF_TEXT,))],
)
def test_published_files_give_the_tokens_of_transformers(tmp_path, theirs, specials):
    path, vocabulary, merges = published(tmp_path / "files", specials)
    reference = theirs(vocab=vocabulary, merges=merges)
    wanted = [reference(text, add_special_tokens=False)["input_ids"] for text in UNICODE]
    assert max(map(len, wanted)) > 20
    found = open_tokenizer(
        sentences=(),
        made_from="files",
        vocabulary=path,
        vocabulary_size=400,
        kind="byte_level_bpe",
        lower_case=True,
        run_dir=tmp_path,
    )
    for tokenizer in (found, run_tokenizer(TextData(), tmp_path, None)):
        assert type(tokenizer) is type(found)
        assert tokenizer.encode(UNICODE) == wanted
        assert [tokenizer.decode(row) for row in wanted] == UNICODE
        assert [tokenizer.pad, tokenizer.cls, tokenizer.sep] == [
            reference.convert_tokens_to_ids(name)
            for name in (("<pad>", "<s>", "</s>") if len(specials) > 1 else [END_OF_TEXT] * 3)
        ]


def test_a_causal_model_learns_with_gpt2_s_files_and_a_masked_one_is_refused(tmp_path):
    path, vocabulary, _ = published(tmp_path / "files", (END_OF_TEXT,))
    data = ["data.tokenizer=byte_level_bpe", f"data.vocabulary={path}"]
    ids = batch(open_dataset(load_spec("gpt2_tiny", data), None, "train"), 0, 0, 8)["input_ids"]
    assert vocabulary["Ġ"] != ids.max() < 320
    with pytest.raises(
        InputError, match=r"no <mask>; it needs <\|endoftext\|>, <mask>, as vocabularies of masked"
    ):
        open_dataset(load_spec("roberta_tiny", data), None, "train")


def test_text_of_several_sentences_has_the_tokens_that_it_has_in_one_piece(tmp_path):
    """A sentence's first word begins with the space in front of it, as in the running text."""
    (tmp_path / "text.txt").write_text("The cat sat.\nThe dog ran.\nIt did.\n\n" * 4, encoding="utf-8")
    changes = [
        f"data.files=[{tmp_path / 'text.txt'}]",
        "data.layout=sentence_lines",
        "data.sequence_length=40",
    ]
    spec = load_spec(
        "roberta_tiny", [*changes, "model.vocab_size=300", "data.short_sequence_probability=0.0"]
    )
    dataset = open_dataset(spec, tmp_path, "train")
    tokenizer = run_tokenizer(TextData(), tmp_path, None)
    example = dataset.example(0, 0)
    ids, count = example["input_ids"], int(example["masked_weights"].sum())
    ids[example["masked_positions"][:count]] = example["masked_ids"][:count]
    text = tokenizer.decode(ids[1 : int(example["example_ids"].sum()) - 1])
    assert text in "The cat sat. The dog ran. It did."
    assert tokenizer.encode([text])[0] == ids[1 : int(example["example_ids"].sum()) - 1].tolist()


def test_files_that_do_not_belong_together_say_what_is_wrong(tmp_path):
    path, _, merges = published(tmp_path / "files", SPECIALS)
    file = tmp_path / "files" / "merges.txt"
    first = fingerprint(path)
    for line, says in (
        ("a", "the line is no pair"),
        ("Ġthe Ġmat", "the line has 'ĠtheĠmat', which .*vocab.json lacks"),
    ):
        file.write_text(f"#version: 0.2\n{' '.join(merges[0])}\n{line}\n", encoding="utf-8")
        with pytest.raises(InputError, match=rf"merges.txt:3: {says}; give the merges.txt that belongs"):
            read_vocabulary(path, lower_case=False)
    assert fingerprint(path) != first
    file.unlink()
    with pytest.raises(InputError, match=r"vocab.json: there is no .*merges.txt beside it"):
        read_vocabulary(path, lower_case=False)


LETTERS = "abcdefghijklmnopqrstuvwxyz.,"
MARK = b"\xef\xbb\xbf"


def sentence_pieces():
    """A vocabulary of T5's form, whose sentinels are its last ids, downwards."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁the", -1.0), ("▁play", -1.5), ("ing", -2.0)]
    pieces += [(piece, -5.0) for piece in ["▁", *LETTERS]]
    return pieces + [(f"<extra_id_{number}>", 0.0) for number in reversed(range(100))]


@pytest.fixture
def t5(tmp_path):
    """A tokenizer.json as ``transformers`` writes T5's, its path, and the tokenizer itself."""
    theirs = transformers.T5Tokenizer(vocab=sentence_pieces(), extra_ids=100)
    path = tmp_path / "t5.json"
    theirs.backend_tokenizer.save(str(path))
    return str(path), theirs


def test_t5s_vocabulary_gives_the_tokens_of_transformers(t5):
    path, theirs = t5
    ours = read_vocabulary(path, lower_case=True)
    texts = ["the playing the", " the play", "Ünknown, the", "", "a" * 300]
    assert ours.encode(texts) == [theirs(text, add_special_tokens=False)["input_ids"] for text in texts]
    assert (ours.pad, ours.sep, ours.unknown) == (0, 1, 2)
    assert (ours.pad, ours.sep) == (theirs.pad_token_id, theirs.eos_token_id)
    first = theirs.convert_tokens_to_ids("<extra_id_0>")
    assert ours.sentinels == (first, -1, 100)
    with pytest.raises(InputError, match=r"t5\.json: the vocabulary has no <mask>"):
        assert ours.mask


def test_span_corruption_marks_spans_by_t5s_own_sentinels(tmp_path, t5):
    path, theirs = t5
    (tmp_path / "text.txt").write_text("the playing the play. " * 200)
    changes = [f"data.files=[{tmp_path / 'text.txt'}]", f"data.vocabulary={path}", "model.vocab_size=160"]
    changes.append("data.sequence_length=128")
    made = batch(open_dataset(load_spec("t5_tiny", changes), None, "train"), 0, 0, 2)
    for source, target in zip(made["input_ids"], made["labels"], strict=True):
        shown = [theirs.convert_ids_to_tokens(row.tolist()) for row in (source, target)]
        marks = [[token for token in row if token.startswith("<extra")] for row in shown]
        assert marks[0] == marks[1] == [f"<extra_id_{number}>" for number in range(len(marks[0]))]
        assert len(marks[0]) > 3
        assert all(
            row[row.index("</s>") + 1 :] == ["<pad>"] * (len(row) - row.index("</s>") - 1) for row in shown
        )
    assert (made["decoder_input_ids"][:, 0] == 0).all()


def test_a_vocabulary_of_t5s_kind_without_sentinels_leaves_them_the_last_rows(tmp_path):
    plain = [pair for pair in sentence_pieces() if not pair[0].startswith("<extra")]
    theirs = transformers.T5Tokenizer(vocab=plain, extra_ids=0)
    theirs.backend_tokenizer.save(str(tmp_path / "t5.json"))
    (tmp_path / "text.txt").write_text("the playing the play. " * 200)
    changes = [f"data.files=[{tmp_path / 'text.txt'}]", f"data.vocabulary={tmp_path / 't5.json'}"]
    changes.append("data.sequence_length=128")
    made = batch(
        open_dataset(load_spec("t5_tiny", [*changes, "model.vocab_size=160"]), None, "train"), 0, 0, 2
    )
    assert made["labels"][:, 0].tolist() == [159, 159]
    with pytest.raises(InputError, match=r"beside \d+ for sentinels"):
        open_dataset(load_spec("t5_tiny", [*changes, "model.vocab_size=40"]), None, "train")


def test_too_few_sentinels_are_refused(tmp_path):
    few = [
        pair
        for pair in sentence_pieces()
        if pair[0] not in {f"<extra_id_{number}>" for number in range(2, 100)}
    ]
    transformers.T5Tokenizer(vocab=few, extra_ids=2).backend_tokenizer.save(str(tmp_path / "t5.json"))
    (tmp_path / "text.txt").write_text("the playing the play. " * 200)
    changes = [f"data.files=[{tmp_path / 'text.txt'}]", f"data.vocabulary={tmp_path / 't5.json'}"]
    with pytest.raises(InputError, match=r"t5\.json: it has 2 sentinels .* an example may have \d+ spans"):
        open_dataset(load_spec("t5_tiny", changes), None, "train")


@pytest.mark.parametrize("marked", ["vocab.txt", "vocab.json", "merges.txt", "tokenizer.json"])
def test_a_byte_order_mark_is_no_part_of_a_vocabulary(tmp_path, marked):
    published(tmp_path / "files", SPECIALS)
    folder = tmp_path / "files"
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\n")
    (folder / "tokenizer.json").write_text(train(TEXT, 320).tokenizer.to_str())
    names = ("vocab.txt", "vocab.json", "tokenizer.json")
    plain = [read_vocabulary(str(folder / name), lower_case=True).encode(TEXT) for name in names]
    (folder / marked).write_bytes(MARK + (folder / marked).read_bytes())
    assert [read_vocabulary(str(folder / name), lower_case=True).encode(TEXT) for name in names] == plain


def marked_vocabulary(kind):
    """Vocabularies that mark words each in its own way, with the pieces of "the playing the"."""
    if kind == "unigram":
        tokenizer = Tokenizer(
            models.Unigram([*sentence_pieces(), ("[CLS]", 0.0)], unk_id=2, byte_fallback=False)
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    elif kind == "llama":
        tokenizer = Tokenizer(
            bpe(["▁", *"theplaying"], ["▁ t", "▁t h", "▁th e", "▁ p", "▁p l", "i n", "in g"])
        )
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    elif kind == "@@":
        tokens = [*BERTS, "the", "play", "@@ing"]
        tokenizer = Tokenizer(
            models.WordPiece(ids(tokens), unk_token="[UNK]", continuing_subword_prefix="@@")
        )
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    elif kind == "</w>":
        letters = [*"theplaying", "e</w>", "g</w>", "y</w>"]
        tokenizer = Tokenizer(bpe(letters, ["t h", "th e</w>", "i n", "in g</w>"], end_of_word_suffix="</w>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    elif kind == "words":
        tokenizer = Tokenizer(
            models.WordLevel(ids(["[PAD]", "[UNK]", "[SEP]", "the", "playing"]), unk_token="[UNK]")
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    else:
        tokenizer = Tokenizer(bpe([*"theplaying"], ["t h", "th e"]))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def ids(tokens):
    return {token: index for index, token in enumerate(tokens)}


def bpe(letters, merges, **how):
    pairs = [tuple(merge.split(" ")) for merge in merges]
    return models.BPE(
        ids(dict.fromkeys(["<pad>", "<unk>", "</s>", *letters, *map("".join, pairs)])), pairs, **how
    )


BERTS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("unigram", ["the", "play", "##ing", "the"]),
        ("llama", ["the", "pl", "##a", "##y", "##ing", "the"]),
        ("@@", ["the", "play", "##ing", "the"]),
        ("</w>", ["the", "p", "l", "a", "y", "ing", "the"]),
        ("words", ["the", "playing", "the"]),
    ],
)
def test_words_begin_and_are_shown_as_the_vocabulary_itself_marks_them(tmp_path, kind, shown):
    marked_vocabulary(kind).save(str(tmp_path / "tokenizer.json"))
    found = read_vocabulary(str(tmp_path / "tokenizer.json"), lower_case=True)
    [row] = found.encode(["the playing the"])
    starts = WholeSpans(found.continues(), (), found.closes()).of(
        np.array(row, np.int32), np.arange(len(row))
    )
    assert starts.tolist() == [0, 1, len(row) - 1]
    assert [found.shown(index) for index in row] == shown


def test_a_vocabulary_that_does_not_mark_words_is_refused_where_words_are_masked(tmp_path):
    marked_vocabulary("none").save(str(tmp_path / "tokenizer.json"))
    found = read_vocabulary(str(tmp_path / "tokenizer.json"), lower_case=True)
    assert [found.shown(index) for index in found.encode(["the"])[0]] == ["the"]
    with pytest.raises(InputError, match="does not mark where words begin"):
        found.continues()


def test_an_ideograph_is_a_word_of_its_own_as_bert_has_it():
    tokenizer = train(["中 国 the cat 猫 abc", "中.国.猫.abc"] * 9, 300)
    text = "the 中国abc猫国 cat猫"
    [row] = tokenizer.encode([text])
    starts = WholeSpans(tokenizer.continues(), (), tokenizer.closes()).of(np.array(row), np.arange(len(row)))
    pieces = [tokenizer.decode(part) for part in np.split(np.array(row), starts[1:])]
    characters = transformers.models.bert.tokenization_bert_legacy.BasicTokenizer(
        do_lower_case=False, strip_accents=False
    ).tokenize(text)
    assert [piece.strip() for piece in pieces if piece.strip()] == characters


def test_a_vocab_txt_may_say_each_tokens_id_behind_a_tab(tmp_path):
    tokens = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "a", "##b"]
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\t{index}\n" for index, token in enumerate(tokens)))
    assert read_vocabulary(str(path), lower_case=True).encode(["ab"]) == [[5, 6]]
    path.write_text("".join(f"{token}\t{2 * index}\n" for index, token in enumerate(tokens)))
    with pytest.raises(InputError, match=r"vocab\.txt:2: the line ends with '2'"):
        read_vocabulary(str(path), lower_case=True)
