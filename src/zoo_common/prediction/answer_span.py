"""A question and a text in; the part of the text that answers it out (Devlin et al., 2019, 4.2 and 4.3)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from zoo_common.data.makers.question_windows import WindowLayout
from zoo_common.metrics.answers import AnswerSearch, BestAnswers, Found, probabilities
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.layout import said_of
from zoo_common.prediction.lines import Line
from zoo_common.prediction.opening import Asked, open_prediction
from zoo_common.prediction.probabilities import rounded
from zoo_common.prediction.question_lines import Asking, asking, document_lines, is_document
from zoo_common.prediction.words import Words
from zoo_spec.data import QuestionData
from zoo_spec.data.limits import TextLimits
from zoo_spec.errors import InputError
from zoo_spec.tasks import predictions
from zoo_spec.tasks.answer_rules import AnswerRules

_LENGTH, _STRIDE, _QUESTION = 384, 128, 64
"""google-research/bert's, for a run that was not trained on questions out of files."""


class AnswerSpan:
    """Reads the text in windows, as in training, and gives the best answer of all of them."""

    key = "text"
    reads_files = False

    def __init__(
        self,
        outputs: tuple[str, ...],
        rules: AnswerRules,
        words: Words,
        layout: WindowLayout,
        top: int | None,
    ) -> None:
        """``outputs`` are the logits of starts and ends; ``top`` how many answers are told beside the best."""
        self.outputs = outputs
        self._rules, self._words, self._layout, self._top = rules, words, layout, top

    def documents(self, path: Path, limits: TextLimits) -> Iterator[Line] | None:
        """The questions of a document as SQuAD's; None for a file of lines."""
        return document_lines(path, limits) if is_document(path) else None

    def items(self, line: Line) -> Iterator[Item]:
        """An item for each window; the last one has the answer."""
        asked = asking(line)
        with said_of(line):
            text = self._layout.asked(asked.question, asked.context)
            if not text.windows:
                raise InputError("the text has no tokens")
            search = AnswerSearch(text, self._rules)

            def answer(row: Row) -> Answer | None:
                search.add(*(row[name] for name in self.outputs))
                return self._told(search.best(), asked) if search.is_done else None

            for window in text.windows:
                features = self._words.fed(self._layout.example(text, window))
                yield Item(asked.where, features, answer)

    def _told(self, best: BestAnswers, asked: Asking) -> Answer:
        found, chances = probabilities(best, self._rules)
        likely = {each.text: float(chance) for each, chance in zip(found, chances, strict=True)}
        chosen = best.answer(self._rules)
        answer = {**_of(chosen, asked), "probability": rounded(likely[chosen.text])}
        if self._rules.no_answer_threshold is not None:
            answer["no_answer"] = rounded(likely.get("", 0.0))
            answer["no_answer_score"] = rounded(best.difference)
        if self._top is not None:
            told: list[JsonValue] = [
                {
                    **_of(each, asked),
                    "probability": rounded(float(chance)),
                    "start_logit": rounded(each.start_logit),
                    "end_logit": rounded(each.end_logit),
                }
                for each, chance in zip(found[: self._top], chances, strict=False)
            ]
            answer["answers"] = told
        return answer | self._unknown(asked)

    def _unknown(self, asked: Asking) -> Answer:
        """The words that the tokenizer has no pieces for, if there are any."""
        tokenizer = self._words.tokenizer
        words: list[JsonValue] = [
            text[begin:end]
            for text in (asked.question, asked.context)
            for index, begin, end in tokenizer.pieces(text)
            if index == tokenizer.unknown
        ]
        return {"unknown": words} if words else {}


def _of(found: Found, asked: Asking) -> Answer:
    answer: Answer = {"answer": found.text}
    if found.text:
        answer |= {"start": asked.begin + found.begin, "end": asked.begin + found.end}
    return {**answer, "score": rounded(found.score)}


@open_prediction.register
def _answer_span(declared: predictions.AnswerSpan, asked: Asked) -> AnswerSpan:
    words = asked.text()
    if words.most_sentences < 2:
        raise InputError(
            f"a question and its text are two sentences, and {asked.graph.name} takes one; predict with a model that "
            "reads special tokens, with model.type_vocab_size 2 where it has token types"
        )
    data = asked.spec.data
    if isinstance(data, QuestionData):
        length, stride, question = data.sequence_length, data.stride, data.question_length
    else:
        length = min(_LENGTH, words.longest or _LENGTH)
        stride, question = _STRIDE, min(_QUESTION, length // 3)
    layout = WindowLayout(words.tokenizer, length=length, stride=stride, question_length=question)
    return AnswerSpan(declared.outputs, declared.rules, words, layout, asked.top)
