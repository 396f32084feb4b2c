"""A document in; the sentences that make its summary out (BERTSUM; Liu, 2019, 3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

from pydantic import JsonValue

from zoo_common.data.makers.sentence_layout import chosen, kept, laid_out, shortened
from zoo_common.data.sentences import split_sentences
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.layout import said_of
from zoo_common.prediction.lines import Line
from zoo_common.prediction.opening import Asked, open_prediction
from zoo_common.prediction.probabilities import rounded, sigmoid
from zoo_spec.data.summaries import SummaryData
from zoo_spec.errors import InputError
from zoo_spec.tasks import predictions


class SentencesOfText:
    """A line is a document, cut into sentences by its punctuation; three of them are told, the best first."""

    key = "text"
    reads_files = False

    def __init__(
        self, output: str, tokenizer: Subwords, data: SummaryData, *, inputs: frozenset[str], has_types: bool
    ) -> None:
        self.outputs: tuple[str, ...] = (output,)
        self._tokenizer, self._data = tokenizer, data
        self._inputs, self._has_types = inputs, has_types

    def items(self, line: Line) -> Iterator[Item]:
        """The line's one item."""
        with said_of(line):
            sentences = split_sentences(line.text)
            numbers = kept(sentences, self._data)
            if not numbers:
                raise InputError(f"has no sentence of more than {self._data.least_words} words")
            rows = self._tokenizer.encode([shortened(sentences[number], self._data) for number in numbers])
            example = laid_out(rows, self._tokenizer, self._data.sequence_length)
            if not self._has_types:
                example["token_type_ids"] = 0 * example["token_type_ids"]
            numbers = numbers[: len(example["sentence_positions"])]
            features = {name: value for name, value in example.items() if name in self._inputs}
        where: Answer = {"line": line.number, "text": line.text}
        yield Item(where, features, partial(self._answer, _placed(line.text, sentences), numbers))

    def _answer(self, places: Sequence[tuple[int, int, str]], numbers: Sequence[int], row: Row) -> Answer:
        logits = row[self.outputs[0]][: len(numbers)]
        texts = [places[number][2] for number in numbers]
        told: list[JsonValue] = []
        for best in chosen(logits.tolist(), texts):
            start, end, text = places[numbers[best]]
            told.append(
                {
                    "sentence": text,
                    "number": numbers[best] + 1,
                    "start": start,
                    "end": end,
                    "probability": rounded(float(sigmoid(logits[best : best + 1])[0])),
                }
            )
        return {"sentences": told}


def _placed(text: str, sentences: Sequence[str]) -> list[tuple[int, int, str]]:
    """Where each sentence begins and ends in a text, whose white space it does not have, and how it stands there."""
    found, at = [], 0
    for sentence in sentences:
        match = re.compile(r"\s+".join(map(re.escape, sentence.split()))).search(text, at)
        assert match is not None
        at = match.end()
        found.append((match.start(), at, match[0]))
    return found


@open_prediction.register
def _sentences(declared: predictions.ChosenSentences, asked: Asked) -> SentencesOfText:
    asked.refuse_top("a text is answered with its three best sentences")
    data, rows = asked.spec.data, asked.graph.table_rows()
    if not isinstance(data, SummaryData):
        raise asked.not_trained_on("texts with summaries")
    return SentencesOfText(
        declared.outputs[0],
        asked.tokenizer(),
        data,
        inputs=frozenset(asked.graph.inputs),
        has_types=rows.get("token_type_ids", 2) > 1,
    )
