"""Ids and character offsets on texts that tokenizers trip over, against ``transformers``' own tokenizers."""

from __future__ import annotations

import io
import json
from itertools import chain

import pytest
import sentencepiece
import transformers

from whole_text import read_corpus, running
from zoo_common.data.subwords import byte_level_bpe, sentence_piece_training, tokenizer
from zoo_common.data.subwords.vocabularies import read_vocabulary
from zoo_spec.data import TextData
from zoo_spec.errors import InputError

WORDS = "The naïve Café straße 東京 世界 русский שלום مرحبا emoji 😀 don't re-do 3.14 e.g. <b> x_y"
NASTY = (
    "", " ", "  two  spaces ", "\ttab\nline\r\nend\x0b\x0cfeed", "a\x00b\x01c\x7fd\x80e\x9fg",
    "\x1b[31mred", "zero\u200bwidth\u200djoin\ufeffmark\u00adsoft",
    "e\u0301 n\u0303 o\u0308\u0304 Å A\u030a \u212b", "cafe\u0301 café",
    "\u1e9b\u0323 \u0390 \u03b9\u0308\u0301 ﬁ ½ ² ①", "が か\u3099 각 \u1100\u1161\u11a8", "İstanbul ıi ẞß ǅ Ω ſ",
    "東京は世界で、すごい。「はい」", "中文没有空格𠀀𪚥鿿", "한국어 텍스트", "שלום עולם, مرحبا بالعالم", 
    "abc\u202ecba\u202c \u200fא\u200e",
    "😀😃👨‍👩‍👧‍👦👍🏽🇩🇪❤️", "a" * 10_000, "東" * 300, "ab " * 400, "é" * 300, "line\u2028separator\u2029paragraph",
    "\u00a0nbsp\u202fnarrow\u3000wide\u2003em", "…—–‘’“”„«»‹›", "[MASK] <mask> <s> </s> <pad> [SEP]",
    "don't 'tis we'll I'VE", "x=1;y={2:[3]}//*&^%$#@!", "C:\\path\\file.txt http://a.b/c?d=e#f",
    "1,234.56 1e-10 ½", "\ufffd \uffff \U0010ffff", "\u0301leading", "क्षि नमस्ते ไทย ภาษา ខ្មែរ", "ⅷ ㎏ ﷺ ꟼ",
    "𝕳𝖊𝖑𝖑𝖔 ａｂｃ", WORDS,
)  # fmt: skip
SURROGATES = ("\ud800", "a\udfffb", "\ud83d \ude00")


@pytest.fixture(scope="module")
def lines():
    return [*chain(running(read_corpus(TextData()).training[:12])), *[WORDS] * 30]


def _word_piece(lines, folder, lower_case):
    trained = tokenizer.train(lines, 1500, lower_case)
    path = folder / "vocab.txt"
    vocabulary = trained.tokenizer.get_vocab()
    path.write_text("".join(f"{token}\n" for token in sorted(vocabulary, key=vocabulary.__getitem__)))
    theirs = transformers.BertTokenizerFast(str(path), do_lower_case=lower_case)
    return [trained, read_vocabulary(str(path), lower_case)], theirs


def _byte_level(lines, folder):
    trained = byte_level_bpe.train(lines, 1500)
    (folder / "vocab.json").write_text(json.dumps(trained.tokenizer.get_vocab()))
    merges = json.loads(trained.tokenizer.to_str())["model"]["merges"]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    theirs = transformers.GPT2TokenizerFast(
        str(folder / "vocab.json"),
        str(folder / "merges.txt"),
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
    )
    return [trained, read_vocabulary(str(folder / "vocab.json"), False)], theirs


def _unigrams(lines, folder):
    trained = sentence_piece_training.train(lines, 1500)
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=written, vocab_size=1500, hard_vocab_limit=False,
        num_threads=1, minloglevel=3, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, max_sentence_length=1 << 24,
    )  # fmt: skip
    path = folder / "spiece.model"
    path.write_bytes(written.getvalue())
    config = {"tokenizer_class": "T5Tokenizer", "extra_ids": 0}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text('{"model_type": "t5"}')
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    return [trained, read_vocabulary(str(path), False)], theirs


KINDS = {
    "WordPiece, uncased": lambda lines, folder: _word_piece(lines, folder, True),
    "WordPiece, cased": lambda lines, folder: _word_piece(lines, folder, False),
    "byte-level BPE": _byte_level,
    "SentencePiece": _unigrams,
}
PAIRS = len(NASTY)
"""Texts that each tokenizer, trained here and read from published files, is compared on."""


@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_offsets_are_those_of_transformers(kind, lines, tmp_path):
    ours, theirs = KINDS[kind](lines, tmp_path)
    ids = offsets = 0
    for each in ours:
        for text in NASTY:
            wanted = theirs(
                text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True
            )
            found = each.pieces(text)
            assert [index for index, *_ in found] == wanted["input_ids"], ascii(text[:50])
            assert each.encode([text]) == [wanted["input_ids"]]
            assert [tuple(span) for _, *span in found] == wanted["offset_mapping"], ascii(text[:50])
            ids += 1
            offsets += len(found)
        for text in SURROGATES:
            with pytest.raises((UnicodeEncodeError, TypeError)):
                theirs(text)
            with pytest.raises(InputError):
                each.encode([text])
            with pytest.raises(InputError):
                each.pieces(text)
    assert ids == 2 * PAIRS
    assert offsets > 1500


def test_training_sentencepiece_gives_the_same_twice_and_leaves_out_what_has_no_room(lines):
    first, second = (sentence_piece_training.train(lines, 300) for _ in range(2))
    assert first.tokenizer.to_str() == second.tokenizer.to_str()
    assert 200 < first.size <= 300
    small = sentence_piece_training.train(lines, 20)
    assert small.size <= 20
    assert small.unknown in small.encode(["東京"])[0]
    with pytest.raises(InputError, match=r"16 are the least; .* model.vocab_size to 23 at least"):
        sentence_piece_training.train(lines, 15, reserved=7)
    with pytest.raises(InputError, match="there is no text"):
        sentence_piece_training.train([], 100)
