"""A question and a text in; the part of the text that answers it out (Devlin et al., 2019, 4.2 and 4.3)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zoo_common.metrics.span import best_spans
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.layout import SEPARATOR, LaidOut, said_of
from zoo_common.prediction.lines import Line
from zoo_common.prediction.opening import Asked, open_prediction
from zoo_common.prediction.probabilities import rounded, softmax
from zoo_common.prediction.words import Words
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_spec.tasks import predictions


class AnswerSpan:
    """A line is a question, ``[SEP]``, and the text that may answer it.

    The first special token stands for no answer, as in training. An answer's probability is that of its start times
    that of its end, over all tokens of the line.
    """

    key = "text"
    reads_files = False

    def __init__(self, outputs: tuple[str, ...], words: Words, graph: Graph) -> None:
        """``outputs`` are the logits of starts and ends; raises InputError if the model does not take two texts."""
        self.outputs = outputs
        self._words = words
        if words.most_sentences < 2:
            raise InputError(
                f"a question and its text are two sentences, and {graph.name} takes one; predict with a model that "
                "reads special tokens, with model.type_vocab_size 2 where it has token types"
            )

    def items(self, line: Line) -> Iterator[Item]:
        """The line's one item."""
        with said_of(line):
            laid = self._words.laid_out(line.text)
            if not _answers(laid):
                raise InputError(f"has no text behind the question; give question, {SEPARATOR}, text")
            item = self._words.item(line, laid, self._answer)
        yield item

    def _answer(self, laid: LaidOut, row: Row) -> Answer:
        start, end = (np.asarray(row[name][: len(laid.ids)], np.float64)[None] for name in self.outputs)
        may_be = np.zeros(start.shape, np.bool_)
        may_be[0, [0, *_answers(laid)]] = True
        first, last = map(int, best_spans(start, end, may_be)[0])
        chances = softmax(start)[0], softmax(end)[0]
        probability = rounded(chances[0][first] * chances[1][last])
        no_answer = rounded(chances[0][0] * chances[1][0])
        begins, ends = laid.spans[first], laid.spans[last]
        if begins is None or ends is None:
            return {"answer": "", "probability": probability, "no_answer": no_answer}
        text, begin, stop = laid.told((begins[0], ends[1]))
        found: Answer = {"answer": text, "start": begin, "end": stop}
        return {**found, "probability": probability, "no_answer": no_answer}


def _answers(laid: LaidOut) -> list[int]:
    """Where the tokens of the text behind the question are."""
    pairs = zip(laid.sentences, laid.spans, strict=True)
    return [place for place, (sentence, span) in enumerate(pairs) if sentence and span is not None]


@open_prediction.register
def _answer_span(declared: predictions.AnswerSpan, asked: Asked) -> AnswerSpan:
    asked.refuse_top("a question is answered with the best part of the text")
    return AnswerSpan(declared.outputs, asked.text(), asked.graph)
