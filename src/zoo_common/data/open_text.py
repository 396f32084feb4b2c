"""Text to examples: what is read, held out, tokenized, and made of it for a model's inputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.generated import id_limits
from zoo_common.data.makers.bert_examples import BertExamples, PairSettings, SpecialIds
from zoo_common.data.makers.causal_examples import CausalExamples
from zoo_common.data.makers.masking import WholeSpans, read_phrases
from zoo_common.data.makers.sentence_pairs import PAIRS
from zoo_common.data.makers.span_examples import SpanExamples
from zoo_common.data.makers.tokens import TokenCorpus, running, tokenize
from zoo_common.data.reader import Wanted, open_data
from zoo_common.data.sources.python_docs import python_docs
from zoo_common.data.sources.text import Corpus, Document, hold_out, read_files
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.data.subwords.tokenizer_files import data_tokenizer
from zoo_spec.data import TextData
from zoo_spec.data_fit import spans_of
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import runners


def open_text(
    data: TextData,
    *,
    inputs: frozenset[str],
    limits: Mapping[str, int],
    seed: int,
    split: Split,
    run_dir: Path | None,
    begins_with: str | None = None,
) -> BertExamples | CausalExamples | SpanExamples:
    """Examples of text: masked ones where ``inputs`` has masked ids, spans cut out where a second sequence is to
    tell them, running text otherwise.

    ``limits`` are the numbers of ids that the model takes, by input. That the data's sizes are within the model's
    has been seen to (``zoo_spec.data_fit``).
    """
    rows = min(
        limits[name] for name in ("input_ids", "masked_ids", "labels") if name in limits and name in inputs
    )
    spans = spans_of(data) if "decoder_input_ids" in inputs else None
    needed = 0 if spans is None else spans.sentinels
    corpus, training, held_out = _read_text(data)
    tokenizer = _tokenizer(data, training, rows - needed, needed, run_dir, begins_with)
    if tokenizer.sentinels is not None:
        first_sentinel, sentinel_step, _ = tokenizer.sentinels
    else:
        # They are the last rows of the table, and no tokens of the text.
        first_sentinel, sentinel_step, rows = rows - 1, -1, rows - needed
    tokens = tokenize(training if split == "train" else held_out, tokenizer, rows)
    pairs = next((task for task in PAIRS if f"{task}_labels" in inputs), None)
    _check_enough(tokens, 2 if pairs else 1, corpus, split, data)
    notes = [
        f"{len(corpus.documents):,} documents, {sum(map(len, corpus.documents)):,} sentences, "
        f"{corpus.characters:,} characters",
        f"{len(tokens.ids):,} tokens in this part, of {tokenizer.size:,} kinds",
    ]
    if pairs == "next_sentence" and tokens.num_documents == 1:
        notes.append("one document only: random next sentences come from elsewhere in it")
    if pairs == "sentence_distance" and tokens.num_documents == 1:
        notes.append("one document only: no two segments are of different documents")
    about = DataDescription(
        corpus.source, 0, corpus.source_bytes, 0, notes=tuple(notes), libraries=("numpy", "tokenizers")
    )
    if spans is not None:
        return SpanExamples(
            tokens,
            spans,
            first_sentinel=first_sentinel,
            sentinel_step=sentinel_step,
            end=tokenizer.sep,
            pad=tokenizer.pad,
            seed=seed,
            split=split,
            jitter=split == "train",
            inputs=inputs,
            about=about,
        )
    if "masked_ids" not in inputs:
        return CausalExamples(
            tokens,
            sequence_length=data.sequence_length,
            separator=tokenizer.sep,
            pad=tokenizer.pad,
            seed=seed,
            split=split,
            jitter=split == "train",
            inputs=inputs,
            about=about,
        )
    settings = PairSettings(
        sequence_length=data.sequence_length,
        max_predictions=data.max_predictions,
        masked_fraction=data.masked_fraction,
        short_sequence_probability=data.short_sequence_probability,
        random_next_probability=data.random_next_probability,
        pairs=pairs,
        jitter=split == "train",
    )
    special = SpecialIds(tokenizer.pad, tokenizer.cls, tokenizer.sep, tokenizer.mask, tokenizer.size)
    return BertExamples(
        tokens,
        settings,
        special,
        seed=seed,
        split=split,
        inputs=inputs,
        about=about,
        spans=_whole_spans(data, tokenizer),
    )


def _whole_spans(data: TextData, tokenizer: Subwords) -> WholeSpans | None:
    if data.masking == "tokens":
        return None
    return WholeSpans(
        tokenizer.continues(),
        () if data.phrases is None else read_phrases(data.phrases, tokenizer, data.limits),
        tokenizer.closes(),
    )


def _read_text(data: TextData) -> tuple[Corpus, tuple[Document, ...], tuple[Document, ...]]:
    """All text, the documents trained on, and those evaluated on."""
    corpus = (
        read_files(data.files, data.layout, data.limits, tables=data.tables)
        if data.files is not None
        else python_docs()
    )
    if data.evaluation_files is not None:
        held_out = read_files(data.evaluation_files, data.layout, data.limits, tables=data.tables)
        return corpus, corpus.documents, held_out.documents
    return corpus, *hold_out(corpus.documents, data.evaluation_fraction, data.split_seed)


def _tokenizer(
    data: TextData,
    training: tuple[Document, ...],
    rows: int,
    sentinels: int,
    run_dir: Path | None,
    begins_with: str | None,
) -> Subwords:
    return data_tokenizer(
        data,
        sentences=running(training),
        text=f"text {Corpus(training, '', 0).fingerprint()}",
        vocabulary_size=rows,
        run_dir=run_dir,
        begins_with=begins_with,
        reserved=sentinels,
    )


def _check_enough(tokens: TokenCorpus, needed: int, corpus: Corpus, split: Split, data: TextData) -> None:
    found = len(tokens.sentences) - 1
    if found >= needed:
        return
    if split == "train":
        remedy = "give more text"
    elif data.evaluation_files is None:
        remedy = (
            f"data.evaluation_fraction is {data.evaluation_fraction:g}; raise it, give more text, "
            "or name data.evaluation_files"
        )
    else:
        remedy = "give more text in data.evaluation_files"
    raise InputError(
        f"{corpus.source}: the {'training' if split == 'train' else 'evaluation'} text is too small for one "
        f"example: it has {found} sentence(s) and {needed} are needed; {remedy}"
    )


@open_data.register
def _text(data: TextData, wanted: Wanted) -> BertExamples | CausalExamples | SpanExamples:
    _check_labels_itself(wanted.spec)
    limits = id_limits(wanted.graph, {})
    return open_text(
        data,
        inputs=wanted.inputs,
        limits=limits,
        seed=wanted.seed,
        split=wanted.split,
        run_dir=wanted.run_dir,
        begins_with=wanted.begins_with,
    )


def _check_labels_itself(spec: ExperimentSpec) -> None:
    """Running text has no labels but its own tokens, which must not be taken for those that people give."""
    if spec.task.use == "downstream task":
        raise InputError(
            f"data of kind {spec.data.kind!r} is running text, without the labels that {spec.task.kind} learns; "
            "set data.kind to text_table for a table of texts and labels, or to generated, or give batches with "
            f"labels (input_fn of {runners()})"
        )
