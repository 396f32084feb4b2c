"""Examples of text: masked tokens and what stood there, labels beside their words, answers, sources and targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import Array, Example
from zoo_common.report.inspection.views import (
    Classes,
    Looked,
    Piece,
    Row,
    View,
    open_view,
    said,
    text_row,
)
from zoo_spec.tasks.causal_lm import CausalLm
from zoo_spec.tasks.extractive_summarization import ExtractiveSummarization
from zoo_spec.tasks.masked_lm import MaskedLmSentences, MaskedTokens
from zoo_spec.tasks.question_answering import QuestionAnswering
from zoo_spec.tasks.representation import Representation
from zoo_spec.tasks.seq2seq_lm import SequenceToSequenceLm
from zoo_spec.tasks.sequence_classification import (
    SequenceClassification,
    SequenceMultiLabelClassification,
    SequenceTask,
)
from zoo_spec.tasks.token_classification import TokenClassification

_NONE = np.zeros(0, np.int64)


class MaskedView(View):
    """Masked tokens, and the class of the pair of segments where the task has one."""

    def __init__(self, looked: Looked, pair: str = "", meanings: tuple[str, ...] = ()) -> None:
        self._looked, self._pair = looked, pair
        self.classes = Classes("pairs", meanings) if pair else None
        mask = "[MASK]" if looked.tokenizer is None else looked.tokenizer.specials[4]
        self.legend = (
            f"{mask}{{word}}: masked, and what stood there; word{{=}}: to be predicted, and left as it was; "
            "other{word}: replaced"
        )

    def rows(self, example: Example) -> list[Row]:
        """The text, how much of it is to be predicted, and the pair's class."""
        ids = example["input_ids"]
        pieces = self._looked.tokens(ids)
        predicted = 0
        if "masked_ids" in example:
            weights = example.get("masked_weights", np.ones(len(example["masked_ids"])))
            stood = self._looked.tokens(example["masked_ids"])
            for place, before, index, weight in zip(
                example["masked_positions"].tolist(), stood, example["masked_ids"], weights, strict=True
            ):
                if weight > 0:
                    kept = ids[place] == index
                    pieces[place] = replace(pieces[place], mark="asked", says="=" if kept else before.text)
                    predicted += 1
        rows = [text_row("text", pieces), said("to predict", f"{predicted} of {len(ids)} tokens")]
        if self.classes is not None and self._pair in example:
            rows.append(said("pair", self.classes.name(int(example[self._pair])), "label"))
        return rows

    def labels(self, example: Example) -> NDArray[np.integer]:
        """The pair's class."""
        return np.atleast_1d(example[self._pair]) if self._pair in example else _NONE


@open_view.register
def _masked(task: MaskedTokens, looked: Looked) -> View:
    return MaskedView(looked)


@open_view.register
def _pairs(task: MaskedLmSentences, looked: Looked) -> View:
    return MaskedView(looked, f"{task.name}_labels", task.classes)


class RunningView(View):
    """Text of which each next token is to be predicted, as far as it weighs: running text, or a text's summary."""

    def __init__(self, looked: Looked) -> None:
        self._looked = looked
        self.legend = "context: text of which no prediction counts"

    def rows(self, example: Example) -> list[Row]:
        """The text, and how many tokens of it are to be predicted."""
        ids = example["input_ids"]
        pieces, weights = self._looked.tokens(ids), example.get("label_weights")
        if weights is None:
            return [text_row("text", pieces)]
        # A label is the next token: what weighs nothing is context.
        counts = np.append(False, weights[:-1] > 0)
        first = int(np.argmax(counts)) if counts.any() else len(ids)
        rows = [text_row("text", pieces[first:])]
        if first > 1:
            rows.insert(0, text_row("context", [replace(piece, mark="context") for piece in pieces[:first]]))
        else:
            rows = [text_row("text", pieces)]
        return [*rows, said("to predict", f"{int((weights > 0).sum())} of {len(ids)} tokens")]


@open_view.register(CausalLm)
@open_view.register(Representation)
def _running(task: CausalLm | Representation, looked: Looked) -> View:
    return RunningView(looked)


class LabelledView(View):
    """A text, or two, and its label, labels or number."""

    def __init__(self, looked: Looked, classes: Classes | None) -> None:
        self._looked, self.classes = looked, classes

    def rows(self, example: Example) -> list[Row]:
        """The text, what people said of it, and what that weighs where weights differ."""
        rows = [text_row("text", self._looked.tokens(example["input_ids"]))]
        if "labels" in example and self.classes is None:
            rows.append(said("number", f"{float(example['labels']):g}", "label"))
        elif self.classes is not None:
            names = ", ".join(self.classes.name(int(each)) for each in self.labels(example))
            rows.append(said("label" if self.classes.exclusive else "labels", names or "none", "label"))
        if "label_weights" in example:
            rows.append(said("weight", f"{float(example['label_weights']):g}"))
        return rows

    def labels(self, example: Example) -> NDArray[np.integer]:
        """The class, or all that the text has."""
        if self.classes is None or "labels" not in example:
            return _NONE
        labels = example["labels"].astype(np.int64)
        return np.atleast_1d(labels) if self.classes.exclusive else np.flatnonzero(labels)


@open_view.register
def _number(task: SequenceTask, looked: Looked) -> View:
    return LabelledView(looked, None)


@open_view.register
def _label(task: SequenceClassification, looked: Looked) -> View:
    return LabelledView(looked, Classes("texts", looked.names))


@open_view.register
def _several(task: SequenceMultiLabelClassification, looked: Looked) -> View:
    return LabelledView(looked, Classes("texts", looked.names, exclusive=False))


class WordView(View):
    """Words with their labels beside them."""

    legend = "word{label}; what has none of its own, such as the other pieces of a word, weighs nothing"

    def __init__(self, looked: Looked) -> None:
        self._looked, self.classes = looked, Classes("words", looked.names)

    def rows(self, example: Example) -> list[Row]:
        """The words."""
        pieces = self._looked.tokens(example["input_ids"])
        if "labels" in example:
            for place in np.flatnonzero(self._counts(example)):
                index = int(example["labels"][place])
                name = self.classes.names[index] if index < len(self.classes.names) else str(index)
                pieces[place] = replace(pieces[place], mark="label" if index else "plain", says=name)
        return [text_row("words", pieces)]

    def labels(self, example: Example) -> NDArray[np.integer]:
        """Those that weigh something."""
        return example["labels"][self._counts(example)].astype(np.int64) if "labels" in example else _NONE

    def _counts(self, example: Example) -> NDArray[np.bool_]:
        return np.asarray(example.get("label_weights", np.ones(len(example["labels"]))) > 0)

    classes: Classes


@open_view.register
def _words(task: TokenClassification, looked: Looked) -> View:
    return WordView(looked)


class AnswerView(View):
    """A question and a window of its text, with the answer marked."""

    legend = "[[…]]: the answer; a window without one has both ends at the first token"

    def __init__(self, looked: Looked) -> None:
        self._looked = looked
        self.classes: Classes = Classes("windows", ("without the answer", "with the answer"))

    def rows(self, example: Example) -> list[Row]:
        """The window, the answer by itself, and its places."""
        pieces = self._looked.tokens(example["input_ids"])
        if "start_positions" not in example:
            return [text_row("text", pieces)]
        start, end = int(example["start_positions"]), int(example["end_positions"])
        if not end:
            return [text_row("text", pieces), said("answer", "none in this window", "label")]
        answer = text_row("answer", pieces[start : end + 1])[1]
        marked = Piece(f"[[{' '.join(piece.text for piece in answer)}]]", "asked")
        _, before = text_row("text", pieces[:start])
        _, behind = text_row("text", pieces[end + 1 :])
        return [
            ("text", (*before, marked, *behind)),
            said("answer", f"tokens {start} to {end}", "label"),
        ]

    def labels(self, example: Example) -> NDArray[np.integer]:
        """Whether the answer is in the window."""
        return (
            np.atleast_1d(example["end_positions"] > 0).astype(np.int64)
            if "end_positions" in example
            else _NONE
        )


@open_view.register
def _answers(task: QuestionAnswering, looked: Looked) -> View:
    return AnswerView(looked)


class SourceTargetView(View):
    """What an encoder reads, and what the decoder is to write."""

    def __init__(self, looked: Looked) -> None:
        self._looked = looked

    def rows(self, example: Example) -> list[Row]:
        """Both."""
        rows = [text_row("source", self._looked.tokens(example["input_ids"]))]
        if "labels" in example:
            weighs = example.get("label_weights", np.ones(len(example["labels"]))) > 0
            pieces = self._looked.tokens(example["labels"])
            rows.append(text_row("target", [_context(*each) for each in zip(pieces, weighs, strict=True)]))
        return rows


def _context(piece: Piece, weighs: np.bool_) -> Piece:
    return piece if weighs else replace(piece, mark="context")


@open_view.register
def _source_target(task: SequenceToSequenceLm, looked: Looked) -> View:
    return SourceTargetView(looked)


class ChosenView(View):
    """A document's sentences, with those marked that a summary is made of."""

    legend = "[+]: a sentence of the summary, [-]: none"

    def __init__(self, looked: Looked) -> None:
        self._looked = looked
        self.classes: Classes = Classes("sentences", ("not in the summary", "in the summary"))

    def rows(self, example: Example) -> list[Row]:
        """A row a sentence."""
        pieces = self._looked.tokens(example["input_ids"])
        starts: Array = example["sentence_positions"]
        chosen = example.get("labels", np.zeros(len(starts), np.int32))
        rows = []
        for number, (start, is_in) in enumerate(zip(starts.tolist(), chosen.tolist(), strict=True)):
            end = int(starts[number + 1]) if number + 1 < len(starts) else len(pieces)
            title, own = text_row(f"sentence {number + 1}", pieces[start:end])
            sign = Piece("[+]", "asked") if is_in else Piece("[-]", "context")
            rows.append((title, (sign, *own)))
        return rows

    def labels(self, example: Example) -> NDArray[np.integer]:
        """Of each sentence."""
        return example["labels"].astype(np.int64) if "labels" in example else _NONE


@open_view.register
def _chosen(task: ExtractiveSummarization, looked: Looked) -> View:
    return ChosenView(looked)
