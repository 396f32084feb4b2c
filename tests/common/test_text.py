"""Reading text: documents, sentences, what is held out, and files that are not text."""

from pathlib import Path

import pytest

from whole_text import hold_out, read_corpus
from zoo_common.data.sentences import split_sentences
from zoo_spec.data import TextData
from zoo_spec.errors import InputError


def _file(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "corpus.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def _read(path: str, layout: str, **fields: str):
    return read_corpus(TextData(files=(path,), layout=layout, **fields))


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ("Wrapped\nover two lines. Next.", ["Wrapped over two lines.", "Next."]),
        ("See e.g. Smith and Dr. J. Doe. Then go.", ["See e.g. Smith and Dr. J. Doe.", "Then go."]),
        (
            "1. The context is evaluated. 2.5 is a number.",
            ["1. The context is evaluated.", "2.5 is a number."],
        ),
        ('He said "No." "Why?" she asked.', ['He said "No."', '"Why?" she asked.']),
        ("It is version 3.12 of x.y today", ["It is version 3.12 of x.y today"]),
        ("一句。二句。", ["一句。", "二句。"]),
        ("  \n ", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text, sentences):
    assert split_sentences(text) == sentences


def test_prose_has_paragraphs_in_documents(tmp_path):
    path = _file(tmp_path, "\ufeffA one.\r\nstill one. B two.\r\n\r\nC three.\r\n\r\n\r\nD four.\n")
    corpus = _read(path, "prose")
    assert corpus.documents == (("A one. still one.", "B two.", "C three."), ("D four.",))
    assert corpus.about.source_bytes == Path(path).stat().st_size


def test_sentence_lines_are_read_as_bert_reads_them(tmp_path):
    path = _file(tmp_path, "a b. c\nd e\n\nf g\n \nh\n")
    assert _read(path, "sentence_lines").documents == (("a b. c", "d e"), ("f g",), ("h",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"   \n\n", "no text"),
        (b"fine\nna\xefve", r"byte 0xef at byte offset 7 \(line 2\)"),
        (b"\x1f\x8b\x00\x00", "byte offset 1"),
        (b"\x1f\x8b\x08\x00", "ends too early"),
    ],
)
def test_a_file_that_is_not_text_is_refused_by_name(tmp_path, content, message):
    path = _file(tmp_path, content)
    with pytest.raises(InputError, match=message) as caught:
        _read(path, "prose")
    assert path in str(caught.value)


def test_a_missing_file_and_a_directory_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: there is no such file"):
        _read(str(tmp_path / "none.txt"), "prose")
    with pytest.raises(InputError, match="is a directory"):
        _read(str(tmp_path), "prose")


def test_held_out_documents_are_whole_apart_and_decided_by_the_seed_alone():
    documents = [tuple(f"document {d} sentence {s}" for s in range(5 + d % 7)) for d in range(200)]
    training, held_out = hold_out(documents, 0.1, 0)
    assert set(training) | set(held_out) == set(documents)
    assert not set(training) & set(held_out)
    share = sum(len(s) for d in held_out for s in d) / sum(len(s) for d in documents for s in d)
    assert 0.05 < share <= 0.1
    assert hold_out(documents, 0.1, 0) == (training, held_out)
    assert hold_out(documents, 0.1, 1) != (training, held_out)
    assert hold_out(documents, 0.0, 0) == (tuple(documents), ())


def test_too_few_documents_lose_their_last_sentences():
    document = tuple(f"sentence {n}" for n in range(100))
    assert hold_out([document], 0.05, 0) == ((document[:95],), (document[95:],))
    assert hold_out([("one", "two")], 0.05, 0) == ((("one", "two"),), ())


@pytest.mark.parametrize("layout", ["prose", "sentence_lines"])
def test_the_embedded_corpus_is_prose_without_repetition(layout):
    corpus = read_corpus(TextData(layout=layout))
    assert len(corpus.documents) > 40
    assert corpus.characters > 200_000
    sentences = [sentence for document in corpus.documents for sentence in document]
    assert not any(">>>" in sentence or "::=" in sentence or "\n" in sentence for sentence in sentences)
    # Whole passages stand once; short sentences ("For example:") may come again.
    long = [sentence for sentence in sentences if len(sentence) > 150]
    assert len(set(long)) > 0.98 * len(long)
    assert corpus.documents == read_corpus(TextData(layout=layout)).documents


TABLES = {
    "tabs": "sentence\tlabel\nIt is good, and long.\t1\nIt is bad.\t0\n",
    "cola": "gj04\t1\t\tThe cat sat.\ngj04\t0\t*\tThe cat sit.\nbc01\t1\t\tA dog.\n",
    "commas": 'sentence,label\n"It is good, and long.",1\nIt is bad.,0\n',
    "commas with quotes": 'a,b,c\n"He said ""no, never"".",1,2\nx,y,z\n',
    "two lines": "index\tsentence\n0\tIt is good.\n",
    "a broken row": "a\tb\n" * 40 + "a\tb\tc\n",
    "lines in quotes": 'a,b\n"It is good,\nand long.",1\nIt is bad.,0\n"So,\nthere.",2\n',
    "semicolons": "sentence;label\nIt is good, and long.;1\nIt is bad.;0\n",
    "JSON lines": '{"text": "It is good."}\n{"text": "It is bad."}\n',
    "lists": '["It is good.", 1]\n["It is bad.", 0]\n',
    "JSON": '{\n  "data": [\n    {"text": "It is good."}\n  ]\n}\n',
}
PROSE = {
    "prose": "It is good, long, and red.\nIt is bad, short, and blue.\nIt is so, too, and more.\n",
    "one line": "It is good,and bad",
    "indented": "\tIt is good.\n\tIt is bad.\n\tIt is so.\n",
    "a table inside": "It is good.\na\tb\nc\td\nIt is bad.\n",
    "brackets": "[1] See there.\n[2] See here.\n[3] And here.\n",
    "code": "for (;;) { f(a, b); }\n{ x = 1; }\nint y;\n",
    "thousands": "It cost 1,000.\nIt cost 2,000.\nIt cost 3,000.\n",
    "numbers": "It cost 1,000.\nIt cost 2,000, or so.\nIt cost 3,000.\n",
    "Chinese": "今天，天气好。\n明天，天气坏。\n后天，天气好。\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_not_taken_for_text_unless_it_is_meant(tmp_path, name):
    path = _file(tmp_path, TABLES[name])
    with pytest.raises(InputError, match=r"corpus\.txt: looks like a table .*data\.tables to as_text"):
        _read(path, "sentence_lines")
    assert _read(path, "sentence_lines", tables="as_text").documents


@pytest.mark.parametrize("name", PROSE)
@pytest.mark.parametrize("layout", ["prose", "sentence_lines"])
def test_prose_is_not_taken_for_a_table(tmp_path, name, layout):
    assert _read(_file(tmp_path, PROSE[name]), layout).documents


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl", "json", "TSV"])
def test_a_file_that_is_called_a_table_is_one(tmp_path, suffix):
    path = tmp_path / f"reviews.{suffix}"
    path.write_text("It is good.\n")
    with pytest.raises(InputError, match=rf"a file called \.{suffix.lower()}"):
        _read(str(path), "prose")
