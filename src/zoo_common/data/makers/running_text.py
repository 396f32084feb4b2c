"""What the tasks on running text make of it: read, held out, cut into tokens, and then each task's own examples."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.base import DataDescription
from zoo_common.data.entries import GrowingArray
from zoo_common.data.examples import make_examples
from zoo_common.data.file_marks import every_source
from zoo_common.data.generated import id_limits
from zoo_common.data.makers.bert_examples import BertExamples, PairSettings
from zoo_common.data.makers.causal_examples import CausalExamples
from zoo_common.data.makers.example_rows import MakeRows
from zoo_common.data.makers.kept_text import KeptText
from zoo_common.data.makers.masked_rows import SpecialIds
from zoo_common.data.makers.masking import WholeSpans, read_phrases
from zoo_common.data.makers.span_examples import SpanExamples
from zoo_common.data.makers.tokens import TokenCorpus
from zoo_common.data.reader import Wanted
from zoo_common.data.store import Draft, Store
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.data.subwords.tokenizer_files import data_tokenizer
from zoo_spec.data import RunningTextData
from zoo_spec.data_fit import PAIRS, spans_of
from zoo_spec.errors import InputError
from zoo_spec.tasks.causal_lm import CausalLm
from zoo_spec.tasks.masked_lm import MaskedTokens
from zoo_spec.tasks.representation import Representation
from zoo_spec.tasks.seq2seq_lm import SpanCorruption


@dataclass(frozen=True)
class RunningTokens:
    """The text of a source and the tokenizer that cuts it.

    That the data's sizes are within the model's has been seen to (``zoo_spec.data_fit``). The last ``reserved`` rows
    of the model's table are no tokens of the text, unless the vocabulary has names for them.
    """

    wanted: Wanted
    reserved: int = 0

    @property
    def data(self) -> RunningTextData:
        """What the spec says of it."""
        data = self.wanted.spec.data
        if not isinstance(data, RunningTextData):
            raise InputError(
                f"data of kind {data.kind!r} gives running text and does not say how it is cut into examples: its "
                "class has to derive from zoo_spec.data.RunningTextData"
            )
        return data

    @cached_property
    def store(self) -> Store:
        """Where it is kept; without files by which other text is told, nowhere."""
        found = Store.of(self.wanted)
        return found if found.is_prepared or every_source(self.data) else Store(self.wanted, None)

    @cached_property
    def text(self) -> KeptText:
        """The files that are trained on."""
        return KeptText(self.store, self.data, "train")

    @cached_property
    def of_split(self) -> KeptText:
        """The files of which the part is."""
        own = self.wanted.split == "eval" and self.data.has_evaluation
        return KeptText(self.store, self.data, "eval") if own else self.text

    @cached_property
    def tokenizer(self) -> Subwords:
        """That of the run, or one made of the training text."""
        return data_tokenizer(
            self.data,
            sentences=self.text.training_sentences(),
            # A vocabulary that does not fit is refused before all text is read.
            text="" if self.data.vocabulary is not None else f"text {self.text.fingerprint}",
            vocabulary_size=self.rows - self.reserved,
            run_dir=self.wanted.run_dir,
            begins_with=self.wanted.begins_with,
            reserved=self.reserved,
        )

    @cached_property
    def rows(self) -> int:
        """Ids that every input and label of tokens may have."""
        limits = id_limits(self.wanted.graph, {})
        names = ("input_ids", "masked_ids", "labels")
        return min(limits[name] for name in names if name in limits and name in self.wanted.inputs)

    def tokens(self, needed: int = 1) -> TokenCorpus:
        """Those of one part; InputError unless it has as many sentences as are ``needed`` for an example."""
        split, data, text = self.wanted.split, self.data, self.of_split
        own = self.reserved if self.tokenizer.sentinels is None else 0
        found = text.tokens(self.tokenizer, split, self.rows - own)
        count = len(found.sentences) - 1
        if count >= needed:
            return found
        if split == "train":
            remedy = "give more text"
        elif not data.has_evaluation:
            remedy = (
                f"data.evaluation_fraction is {data.evaluation_fraction:g}; raise it, give more text, "
                "or name data.evaluation_files"
            )
        else:
            remedy = "give more text in data.evaluation_files"
        raise InputError(
            f"{text.about.source}: the {'training' if split == 'train' else 'evaluation'} text is too small for "
            f"one example: it has {count} sentence(s) and {needed} are needed; {remedy}"
        )

    def predicted_bytes(self) -> int | None:
        """Bytes of UTF-8 of the text to evaluate on, as it is cut into tokens, less each document's first token."""
        if self.wanted.split == "train":
            return None
        return self.of_split.predicted_bytes(self.tokenizer)

    def keep(self, name: str, settings: Mapping[str, JsonValue], make: MakeRows) -> NDArray[np.int64]:
        """Rows of numbers that are made of the tokens of the part: ``Keep``."""
        said = {f"examples.{key}": value for key, value in settings.items()}
        key = self.of_split.tokens_key(self.tokenizer, said)

        def write(draft: Draft) -> dict[str, JsonValue]:
            with ExitStack() as stack:
                rows: GrowingArray | None = None
                for each in make():
                    if rows is None:
                        rows = stack.enter_context(draft.growing("rows", np.int64, each.shape[1:]))
                    rows.append(each)
            return {}

        entry = self.store.entry(f"{name}_{self.wanted.split}", key, write)
        return cast(NDArray[np.int64], entry["rows"])

    def about(self, tokens: TokenCorpus, *notes: str) -> DataDescription:
        """Where the tokens come from."""
        text, about = self.text, self.text.about
        said = (
            f"{text.documents:,} documents, {text.sentences:,} sentences, {text.characters:,} characters",
            f"{len(tokens.ids):,} tokens in this part, of {self.tokenizer.size:,} kinds",
        )
        libraries = tuple(dict.fromkeys((*about.libraries, "tokenizers")))
        return replace(about, notes=(*said, *notes), libraries=libraries)


@make_examples.register
def _masked(task: MaskedTokens, wanted: Wanted) -> BertExamples:
    text, split, inputs = RunningTokens(wanted), wanted.split, wanted.inputs
    data, tokenizer = text.data, text.tokenizer
    pairs = next((name for name in PAIRS if f"{name}_labels" in inputs), None)
    tokens = text.tokens(2 if pairs else 1)
    notes = []
    if pairs == "next_sentence" and tokens.num_documents == 1:
        notes.append("one document only: random next sentences come from elsewhere in it")
    if pairs == "sentence_distance" and tokens.num_documents == 1:
        notes.append("one document only: no two segments are of different documents")
    settings = PairSettings(
        sequence_length=data.sequence_length,
        max_predictions=data.max_predictions,
        masked_fraction=data.masked_fraction,
        short_sequence_probability=data.short_sequence_probability,
        random_next_probability=data.random_next_probability,
        pairs=pairs,
        jitter=split == "train",
        duplicates=data.duplicates,
    )
    special = SpecialIds(tokenizer.pad, tokenizer.cls, tokenizer.sep, tokenizer.mask, tokenizer.size)
    return BertExamples(
        tokens,
        settings,
        special,
        seed=wanted.seed,
        split=split,
        inputs=inputs,
        about=text.about(tokens, *notes),
        spans=_whole_spans(data, tokenizer),
        keep=text.keep,
    )


def _whole_spans(data: RunningTextData, tokenizer: Subwords) -> WholeSpans | None:
    if data.masking == "tokens":
        return None
    return WholeSpans(
        tokenizer.continues(),
        () if data.phrases is None else read_phrases(data.phrases, tokenizer, data.limits),
        tokenizer.closes(),
    )


@make_examples.register(CausalLm)
@make_examples.register(Representation)
def _causal(task: CausalLm | Representation, wanted: Wanted) -> CausalExamples:
    text = RunningTokens(wanted)
    tokens = text.tokens()
    return CausalExamples(
        tokens,
        sequence_length=text.data.sequence_length,
        overlap=text.data.overlap,
        separator=text.tokenizer.sep,
        pad=text.tokenizer.pad,
        seed=wanted.seed,
        split=wanted.split,
        jitter=wanted.split == "train",
        inputs=wanted.inputs,
        about=text.about(tokens),
        predicted_bytes=text.predicted_bytes(),
        keep=text.keep,
    )


@make_examples.register
def _span_corruption(task: SpanCorruption, wanted: Wanted) -> SpanExamples:
    spans = spans_of(RunningTokens(wanted).data)
    text = RunningTokens(wanted, spans.sentinels)
    sentinels, tokens = text.tokenizer.sentinels, text.tokens()
    # Where the vocabulary has none they are the last rows of the table.
    first, step, _ = (text.rows - 1, -1, 0) if sentinels is None else sentinels
    return SpanExamples(
        tokens,
        spans,
        first_sentinel=first,
        sentinel_step=step,
        end=text.tokenizer.sep,
        pad=text.tokenizer.pad,
        seed=wanted.seed,
        split=wanted.split,
        jitter=wanted.split == "train",
        inputs=wanted.inputs,
        about=text.about(tokens),
        keep=text.keep,
    )
