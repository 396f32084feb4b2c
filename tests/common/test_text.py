"""Reading text: documents, sentences, what is held out, and files that are not text."""

from pathlib import Path

import pytest

from zoo_common.data.python_docs import python_docs
from zoo_common.data.text import hold_out, read_files, split_sentences
from zoo_spec.errors import InputError


def _file(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "corpus.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


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
    corpus = read_files([path], "prose")
    assert corpus.documents == (("A one. still one.", "B two.", "C three."), ("D four.",))
    assert corpus.source_bytes == Path(path).stat().st_size


def test_sentence_lines_are_read_as_bert_reads_them(tmp_path):
    path = _file(tmp_path, "a b. c\nd e\n\nf g\n \nh\n")
    assert read_files([path], "sentence_lines").documents == (("a b. c", "d e"), ("f g",), ("h",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"   \n\n", "no text"),
        (b"fine\nna\xefve", r"byte 0xef at byte offset 7 \(line 2\)"),
        (b"\x1f\x8b\x08\x00", "byte offset 1"),
    ],
)
def test_a_file_that_is_not_text_is_refused_by_name(tmp_path, content, message):
    path = _file(tmp_path, content)
    with pytest.raises(InputError, match=message) as caught:
        read_files([path], "prose")
    assert path in str(caught.value)


def test_a_missing_file_and_a_directory_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: there is no such file"):
        read_files([str(tmp_path / "none.txt")], "prose")
    with pytest.raises(InputError, match="is a directory"):
        read_files([str(tmp_path)], "prose")


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


def test_the_embedded_corpus_is_prose_without_repetition():
    corpus = python_docs()
    assert len(corpus.documents) > 40
    assert corpus.characters > 200_000
    sentences = list(corpus.sentences)
    assert not any(">>>" in sentence or "::=" in sentence or "\n" in sentence for sentence in sentences)
    # Whole passages stand once; short sentences ("For example:") may come again.
    long = [sentence for sentence in sentences if len(sentence) > 150]
    assert len(set(long)) > 0.98 * len(long)
    assert corpus.fingerprint() == python_docs().fingerprint()
