"""The files that a vocabulary comes in: GPT-2's and RoBERTa's as they are published, against ``transformers``."""

from __future__ import annotations

import json

import pytest
import transformers

from zoo_common.data import batch, open_dataset
from zoo_common.data.byte_level_bpe import END_OF_TEXT, SPECIALS, train
from zoo_common.data.tokenizer_files import open_tokenizer, run_tokenizer
from zoo_common.data.vocabularies import fingerprint, read_vocabulary
from zoo_spec.data import TextData
from zoo_spec.errors import InputError
from zoo_spec.loading import load_spec

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
