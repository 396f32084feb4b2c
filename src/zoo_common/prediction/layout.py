"""A line of text as a model reads it: which tokens it is, of which sentence, and where in the line each stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from zoo_common.data.makers.labelled_examples import fitted
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.prediction.lines import Line
from zoo_spec.errors import InputError

MASK, SEPARATOR = "[MASK]", "[SEP]"
"""How a line says them, whatever the tokenizer calls them."""
Span = tuple[int, int]
"""The first character and the one after the last."""


@dataclass
class LaidOut:
    """``ids``, the number of each one's sentence, and its place in the line; None for what is not in the text."""

    text: str
    ids: list[int] = field(default_factory=list)
    sentences: list[int] = field(default_factory=list)
    spans: list[Span | None] = field(default_factory=list)

    def mark(self, index: int, sentence: int) -> None:
        """Add a special token."""
        self.ids.append(index)
        self.sentences.append(sentence)
        self.spans.append(None)

    def add(self, tokenizer: Subwords, begin: int, end: int, sentence: int) -> None:
        """Add the tokens of a part of the line."""
        for index, first, last in tokenizer.pieces(self.text[begin:end]):
            self.ids.append(index)
            self.sentences.append(sentence)
            self.spans.append((begin + first, begin + last))

    def cut(self, most: int) -> None:
        """Leave ``most`` tokens at the most, special ones included, as examples of labelled text are cut."""
        numbers = sorted(set(self.sentences))
        texts = [
            [at for at, span in enumerate(self.spans) if span is not None and self.sentences[at] == number]
            for number in numbers
        ]
        specials = len(self.ids) - sum(map(len, texts))
        sizes = fitted([len(text) for text in texts], max(most - specials, 0))
        gone = {at for text, size in zip(texts, sizes, strict=True) for at in text[size:]}
        kept = [at for at in range(len(self.ids)) if at not in gone]
        self.ids = [self.ids[at] for at in kept]
        self.sentences = [self.sentences[at] for at in kept]
        self.spans = [self.spans[at] for at in kept]

    def told(self, span: Span) -> tuple[str, int, int]:
        """The text of a span without white space around it, and where it begins and ends."""
        text = self.text[slice(*span)]
        begin = span[0] + len(text) - len(text.lstrip())
        return text.strip(), begin, begin + len(text.strip())


def running(text: str, tokenizer: Subwords) -> LaidOut:
    """Running text, without special tokens; raises InputError if there is none, or more than one."""
    sentences_of(text, 1)
    laid = LaidOut(text)
    laid.add(tokenizer, 0, len(text.rstrip()), 0)
    if not laid.ids:
        raise InputError("has no words")
    return laid


def marked(text: str, tokenizer: Subwords, *, most: int, masks: bool = False) -> LaidOut:
    """A sentence between special tokens, or several with ``[SEP]`` between them, ``most`` at the most.

    BERT's are ``[CLS] A [SEP] B [SEP]``, RoBERTa's ``<s> A </s> </s> B </s>``. ``masks`` says whether ``[MASK]``
    stands for a word that is to be found, or is one like any other. White space in front of a mask or a separator
    belongs to what stands there. Raises InputError for too many sentences.
    """
    laid, begin = LaidOut(text), 0
    laid.mark(tokenizer.cls, 0)
    for number, sentence in enumerate(sentences_of(text, most)):
        for _ in range(tokenizer.between - 1 if number else 0):
            laid.mark(tokenizer.sep, number)
        begin += len(sentence) - len(sentence.lstrip())
        for place, part in enumerate(sentence.lstrip().split(MASK) if masks else [sentence.lstrip()]):
            if place:
                laid.mark(tokenizer.mask, number)
                begin += len(MASK)
            laid.add(tokenizer, begin, begin + len(part.rstrip()), number)
            begin += len(part)
        begin += len(SEPARATOR)
        laid.mark(tokenizer.sep, number)
    return laid


def sentences_of(text: str, most: int) -> list[str]:
    """The parts between separators; raises InputError for more than the model takes."""
    sentences = text.split(SEPARATOR)
    if len(sentences) > most:
        raise InputError(
            f"has {len(sentences)} sentences with {SEPARATOR} between them, and the model takes {most}"
        )
    return sentences


@contextmanager
def said_of(line: Line) -> Iterator[None]:
    """Errors name the line that they are about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{line.source}: {error}") from None
