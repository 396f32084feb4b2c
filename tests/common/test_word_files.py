"""Labelled words out of files: CoNLL's columns in each tagging scheme, PubTator's offsets, and what is refused."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path

import pyarrow
import pytest
from pyarrow import feather, parquet

from zoo_common.data.file_marks import sources
from zoo_common.data.records import open_records
from zoo_common.data.word_cuts import cut_words
from zoo_spec.data import ConllFiles, MarkedWords, PubTatorFiles, WordsTable
from zoo_spec.data.records import LabelledWords
from zoo_spec.errors import InputError

# The same three sentences in each scheme; two places stand next to each other.
WORDS = ["Ada Lovelace met Oslo Bergen .", "They left", "Rome , Paris"]
IOB2 = ["B-PER I-PER O B-LOC B-LOC O", "O O", "B-LOC O B-LOC"]
IOB1 = ["I-PER I-PER O I-LOC B-LOC O", "O O", "I-LOC O I-LOC"]
IOBES = ["B-PER E-PER O S-LOC S-LOC O", "O O", "S-LOC O S-LOC"]
BILOU = ["B-PER L-PER O U-LOC U-LOC O", "O O", "U-LOC O U-LOC"]


def columns(tags: list[str], line: str = "{word} NNP I-NP {tag}", head: str = "") -> str:
    sentences = [
        "\n".join(line.format(word=word, tag=tag) for word, tag in zip(w.split(), t.split(), strict=True))
        for w, t in zip(WORDS, tags, strict=True)
    ]
    return head + "\n\n".join(sentences) + "\n"


def records(data: ConllFiles | PubTatorFiles, split: str = "train") -> list[LabelledWords]:
    found = open_records(data, split, lambda record: None)  # type: ignore[arg-type]
    return [found[index] for index in range(len(found))]  # type: ignore[misc]


def conll(path: Path, content: str | bytes, **fields: object) -> list[LabelledWords]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return records(ConllFiles(files=str(path), **{"evaluation_fraction": 0.0, **fields}))


@pytest.mark.parametrize("tags", [IOB2, IOB1, IOBES, BILOU])
def test_every_scheme_is_told_and_becomes_iob2(tmp_path, tags):
    found = conll(tmp_path / "eng.train", columns(tags))
    assert [" ".join(record.words) for record in found] == WORDS
    assert [" ".join(record.labels) for record in found] == IOB2
    assert [record.where.rpartition(":")[2] for record in found] == ["1", "8", "11"]


def test_the_scheme_is_told_over_the_whole_file_and_shown(tmp_path):
    for tags, scheme in ((IOB1, "IOB1"), (IOB2, "IOB2"), (BILOU, "IOBES")):
        path = tmp_path / "f"
        path.write_text(columns(tags))
        data = ConllFiles(files=str(path))
        assert open_records(data, "train", lambda record: None).description().notes == (f"tags in {scheme}",)


@pytest.mark.parametrize(
    "change",
    [
        "as it is",
        "tabs",
        "mark",
        "crlf",
        "several blank lines",
        "documents",
        "five columns",
        "packed",
        "two columns",
    ],
)
def test_columns_are_read_however_they_are_written(tmp_path, change):
    content = columns(IOB1).encode()
    head = b"-DOCSTART- -X- -X- O\n\n"
    content = {
        "as it is": content,
        "tabs": content.replace(b" ", b"\t"),
        "mark": b"\xef\xbb\xbf" + content,
        "crlf": content.replace(b"\n", b"\r\n"),
        "several blank lines": b"\n \n" + content.replace(b"\n\n", b"\n\n\t\n\n"),
        "documents": head + content.replace(b"\n\n", b"\n\n" + head.replace(b" O", b" -O-")),
        "five columns": columns(IOB1, "{word} lemma NN I-NP {tag}").encode(),
        "packed": gzip.compress(content),
        "two columns": columns(IOB1, "{word}  {tag}").encode(),
    }[change]
    found = conll(tmp_path / "eng.train", content)
    assert [" ".join(record.words) for record in found] == WORDS
    assert [" ".join(record.labels) for record in found] == IOB2


def test_german_files_are_read_in_latin_1_and_lines_end_at_line_ends_alone(tmp_path):
    line = "Köln Köln NE I-NC I-LOC\n"
    assert conll(tmp_path / "deu", line.encode("latin-1"), encoding="latin-1")[0].words == ("Köln",)
    found = conll(tmp_path / "f", "a\u2028b\tO\n\x85c\tB-X\n")
    assert found[0].words == ("a\u2028b", "\x85c")


def test_bare_tags_have_the_type_that_is_stated_or_none(tmp_path):
    content = "Aspirin\tB\nacid\tI\nhelps\tO\n"
    assert conll(tmp_path / "f", content)[0].labels == ("B", "I", "O")
    assert conll(tmp_path / "f", content, entity_type="Chemical")[0].labels == (
        "B-Chemical",
        "I-Chemical",
        "O",
    )


def test_a_mixed_file_is_read_as_conlleval_reads_it_where_the_scheme_is_stated(tmp_path):
    mixed = "a I-X\nb O\nc B-X\n"
    for scheme in ("iob1", "iob2"):
        assert conll(tmp_path / "f", mixed, scheme=scheme)[0].labels == ("B-X", "O", "B-X")
    assert conll(tmp_path / "f", "a I-X\nb S-X\n", scheme="iobes")[0].labels == ("B-X", "B-X")
    assert conll(tmp_path / "f", "a NN\nb VB\n", scheme="plain")[0].labels == ("NN", "VB")


def test_a_file_without_entities_is_told_to_have_no_scheme(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert conll(tmp_path / "f", "a O\nb O\n")[0].labels == ("O", "O")
    assert "no entity in it, and no tagging scheme to tell" in caplog.text


BAD = {
    "empty": (b"", "the file is empty"),
    "blank lines alone": (b"\n\n", "has no sentence"),
    "documents alone": (b"-DOCSTART- O\n\n", "has no sentence"),
    "one column": (b"a O\nb\n", "f:2: has 1 columns, and line 1 has 2"),
    "a column too many": (b"a O\n\nb x O\nc O\n", "f:4: has 2 columns, and line 3 has 3"),
    "parts of speech": (b"a B-X\nb NNP\n", "f:2: 'NNP' is no tag of IOB"),
    "a tag in small letters": (b"a b-x\n", "f:1: 'b-x' is no tag"),
    "no word": (b"\tO\n", "f:1: the word is empty"),
    "no tag": (b"a\t\n", "f:1: the tag is empty"),
    "two schemes": (
        b"a I-X\n\nb B-X\n",
        "at line 1 an entity begins with I, as in IOB1, and at line 3 with B",
    ),
    "an end without a beginning": (b"a E-X\nb S-X\n", "line 1 has a tag of IOBES, and at line 1"),
    "a beginning without an end": (b"a S-X\nb B-X\n", "line 1 has a tag of IOBES, and at line 2"),
    "no UTF-8": (b"a O\n\nK\xf6ln O\n", "not UTF-8: byte 0xf6 at byte offset 6 (line 3)"),
    "no blank line": (b"a O\n" * 300_000, "put a blank line between sentences"),
    "a long line": (b"a" * (1 << 20) + b" O\n", "line 1 is longer than 1,048,576 bytes"),
    "gzip that is cut": (gzip.compress(b"a O\n" * 900)[:-9], "ends too early"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_file_of_words_and_tags_is_refused_by_its_line(tmp_path, name):
    content, why = BAD[name]
    with pytest.raises(InputError) as error:
        conll(tmp_path / "f", content)
    assert str(error.value).startswith(str(tmp_path / "f"))
    assert why in str(error.value)


def test_other_fields_are_refused_where_they_do_not_fit(tmp_path):
    for fields, why in (
        ({"label_column": 2}, "f:1: has 2 columns, and no column 2"),
        ({"entity_type": "X"}, "has the type 'Y', and data.entity_type is for tags that name none"),
        ({"scheme": "iob2"}, "f:3: 'S-Y' is a tag of IOBES, and data.scheme is iob2"),
    ):
        with pytest.raises(InputError, match=why):
            conll(
                tmp_path / "f", "a S-Y\n\nb S-Y\n" if "scheme" not in fields else "a B-Y\n\nb S-Y\n", **fields
            )


def test_bad_sentences_are_left_out_where_the_data_says_so(tmp_path):
    content = columns(IOB2) + "\nx NN I-NP I-X\ny NN I-NP\n"
    found = conll(tmp_path / "f", content, on_bad_record="skip", bad_records=0.5)
    assert [" ".join(record.words) for record in found] == WORDS


def test_files_for_evaluation_are_the_benchmarks_own(tmp_path):
    (tmp_path / "eng.train").write_text(columns(IOB1))
    (tmp_path / "eng.testa").write_text("Bonn I-LOC\n")
    data = ConllFiles(files=str(tmp_path / "eng.tr*"), evaluation_files=str(tmp_path / "eng.testa"))
    assert [record.words for record in records(data, "eval")] == [("Bonn",)]
    assert len(records(data)) == 3
    assert [(each.field, each.use) for each in sources(data)] == [
        ("data.files[0]", "train"),
        ("data.evaluation_files[0]", "eval"),
    ]


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "f"
    path.write_text(columns(IOB2))
    found = open_records(ConllFiles(files=str(path), evaluation_fraction=0.0), "train", lambda record: None)
    path.write_text("a O\n")
    with pytest.raises(InputError, match="has changed while it was read"):
        found[2]


TITLE, ABSTRACT = "Aspirin and headache", "A trial of low-dose aspirin, (N=3)."
PUBTATOR = f"""\
100001|t|{TITLE}
100001|a|{ABSTRACT}
100001\t0\t7\tAspirin\tChemical\tD001241
100001\t12\t20\theadache\tDisease\tD006261|D051270
100001\t36\t48\tdose aspirin\tDisease\t-1
100001\t41\t48\taspirin\tChemical\tD001241\taspirin
100001\t51\t53\tN=\tChemical\t-1
100001\tCID\tD001241\tD006261

100002|t|Zinc
100002|a|
"""


def pubtator(path: Path, content: str, **fields: object) -> list[LabelledWords]:
    path.write_text(content, encoding="utf-8")
    return records(PubTatorFiles(files=str(path), **{"evaluation_fraction": 0.0, **fields}))


def test_mentions_become_labels_of_the_words_that_their_offsets_cover(tmp_path):
    first, second = pubtator(tmp_path / "f", PUBTATOR, types=["Chemical"])
    assert list(zip(first.words, first.labels, strict=True))[:3] == [
        ("Aspirin", "B-Chemical"),
        ("and", "O"),
        ("headache", "O"),
    ]
    assert first.words[3:] == (
        "A",
        "trial",
        "of",
        "low",
        "-",
        "dose",
        "aspirin",
        ",",
        "(",
        "N",
        "=",
        "3",
        ")",
        ".",
    )
    assert " ".join(first.labels[3:]) == "O O O O O O B-Chemical O O B-Chemical I-Chemical O O O"
    assert (second.words, second.labels) == (("Zinc",), ("O",))
    assert [first.where, second.where] == [f"{tmp_path}/f:1", f"{tmp_path}/f:10"]


def test_mentions_that_overlap_or_end_within_a_word_are_counted(tmp_path, caplog):
    cut = PUBTATOR.replace("0\t7\tAspirin", "0\t4\tAspi")
    with caplog.at_level(logging.WARNING):
        first, _ = pubtator(tmp_path / "f", cut)
    assert "5 mentions, of which 1 overlap another and 1 begin or end within a word" in caplog.text
    assert " ".join(first.labels[:10]) == "O O B-Disease O O O O O B-Disease I-Disease"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("0\t7\tAspirin", "1\t8\tAspirin", "f:3: says 'Aspirin' from 1 to 8, where the text has 'spirin '"),
        ("41\t48", "41\t4800", "f:6: says 'aspirin' from 41 to 4800"),
        ("100001\t0\t7", "100001\t-1\t7", "f:3: is neither a mention"),
        ("\tChemical\tD001241\n", "\tChemical\n", "f:3: is neither a mention"),
        ("100001|t|", "100001|x|", "f:1: '100001|x|Aspirin and headache' begins no document"),
        ("Aspirin\tChemical", "Aspirin\t", "f:3: the mention's type is empty"),
    ],
)
def test_a_mention_that_its_text_has_not_is_refused_by_its_line(tmp_path, old, new, why):
    with pytest.raises(InputError) as error:
        pubtator(tmp_path / "f", PUBTATOR.replace(old, new, 1))
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Oslo's mayor, Ada (52), didn't go.", "Oslo 's mayor , Ada ( 52 ) , did n't go ."),
        ("The U.S. and f(x) cost $3.50--or 4%…", "The U.S. and f(x) cost $ 3.50 -- or 4 % …"),
        ("“So,” well-known C++ said…", "“ So , ” well-known C++ said …"),
        ("東京に行く", "東 京 に 行 く".replace("に 行 く", "に 行 く")),
        ("", ""),
        ("...", "..."),
    ],
)
def test_text_is_cut_into_words_as_corpora_have_them(text, words):
    assert [text[begin:end] for begin, end in cut_words(text, "words")] == words.split()


def test_text_is_cut_at_every_sign_where_that_is_asked():
    text = "Ca2+-dependent 5-HT, naïve cafe\u0301"
    words = [text[begin:end] for begin, end in cut_words(text, "punctuation")]
    assert words == ["Ca2", "+", "-", "dependent", "5", "-", "HT", ",", "naïve", "cafe\u0301"]
    assert cut_words("a" * 10_000, "punctuation") == cut_words("a" * 10_000, "words") == [(0, 10_000)]


def test_the_embedded_words_are_labelled_by_the_manuals_own_marks():
    found = records(MarkedWords(evaluation_fraction=0.0))  # type: ignore[arg-type]
    assert len(found) > 1500
    labels = {label for record in found for label in record.labels}
    assert labels == {"O", "B-code", "I-code", "B-term", "I-term"}
    code = {
        word
        for record in found
        for word, label in zip(record.words, record.labels, strict=True)
        if label == "B-code"
    }
    assert {"None", "__len__()", "import"} <= code
    assert not any('"' in word for word in code)


NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def rows(tags: list[str], *, numbers: bool = False) -> list[dict[str, object]]:
    found = []
    for words, line in zip(WORDS, tags, strict=True):
        each = [NAMES.index(tag) for tag in line.split()] if numbers else line.split()
        found.append({"id": "0", "tokens": words.split(), "ner_tags": each})
    return found


@pytest.mark.parametrize("form", ["jsonl", "parquet", "arrow"])
@pytest.mark.parametrize("tags", ["iob1", "iobes", "numbers"])
def test_lists_of_words_and_tags_are_read_as_hubs_have_them(tmp_path, form, tags):
    table = rows({"iob1": IOB1, "iobes": IOBES, "numbers": IOB2}[tags], numbers=tags == "numbers")
    path = tmp_path / f"train.{form}"
    if form == "jsonl":
        path.write_text("\n".join(map(json.dumps, table)))
    elif form == "parquet":
        parquet.write_table(pyarrow.Table.from_pylist(table), path)
    else:
        feather.write_feather(pyarrow.Table.from_pylist(table), path)
    names = NAMES if tags == "numbers" else None
    found = records(WordsTable(files=str(path), tag_names=names, evaluation_fraction=0.0))  # type: ignore[arg-type]
    assert [" ".join(record.words) for record in found] == WORDS
    assert [" ".join(record.labels) for record in found] == IOB2


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (
            {"tokens": ["a", "b"], "ner_tags": ["O"]},
            "t.jsonl:1: column 'tokens' has 2 words, and 'ner_tags' 1 tags",
        ),
        (
            {"tokens": "a b", "ner_tags": ["O"]},
            "t.jsonl:1: column 'tokens' holds a text, and a list is expected",
        ),
        (
            {"tokens": ["a"], "ner_tags": [1]},
            "has numbers, here 1; say what 0, 1, … stand for in data.tag_names",
        ),
        ({"tokens": [None], "ner_tags": ["O"]}, "t.jsonl:1: column 'tokens' holds nothing (null)"),
        ({"tokens": ["a"], "ner_tags": ["NN"]}, "t.jsonl:1: 'NN' is no tag of IOB"),
        ({"tokens": ["a"]}, "line 1 has no column 'ner_tags'"),
    ],
)
def test_a_row_of_lists_that_do_not_fit_is_refused_by_its_line(tmp_path, row, why):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError) as error:
        records(WordsTable(files=str(path), evaluation_fraction=0.0))  # type: ignore[arg-type]
    assert why in str(error.value)


def test_a_number_beyond_the_names_is_refused(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"tokens": ["a"], "ner_tags": [5]}) + "\n")
    with pytest.raises(InputError, match=r"has the tag 5, and data\.tag_names has 5 names, 0 to 4"):
        records(WordsTable(files=str(path), tag_names=NAMES, evaluation_fraction=0.0))  # type: ignore[arg-type]
