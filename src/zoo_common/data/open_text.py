"""Text to examples: what is read, held out, tokenized, and made of it for a model's inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.bert_examples import BertExamples, PairSettings, SpecialIds
from zoo_common.data.causal_examples import CausalExamples
from zoo_common.data.files import read_bytes
from zoo_common.data.python_docs import python_docs
from zoo_common.data.text import Corpus, Document, hold_out, read_files
from zoo_common.data.tokenizer import WordPiece
from zoo_common.data.tokenizer_files import open_tokenizer
from zoo_common.data.tokens import TokenCorpus, tokenize
from zoo_spec.data import TextData
from zoo_spec.errors import InputError


def open_text(
    data: TextData,
    *,
    inputs: frozenset[str],
    limits: Mapping[str, int],
    longest: int | None,
    most_predictions: int | None,
    seed: int,
    split: Split,
    run_dir: Path | None,
) -> BertExamples | CausalExamples:
    """Examples of text: masked ones where ``inputs`` has masked ids, running text otherwise.

    ``limits`` are the numbers of ids that the model takes, by input; ``longest`` and ``most_predictions`` the
    largest sizes that it has positions and predictions for.
    """
    _check_sizes(data, inputs, limits, longest, most_predictions)
    rows = min(
        limits[name] for name in ("input_ids", "masked_ids", "labels") if name in limits and name in inputs
    )
    corpus, training, held_out = _read_text(data)
    tokenizer = _tokenizer(data, training, rows, run_dir)
    tokens = tokenize(training if split == "train" else held_out, tokenizer, rows)
    pairs = "next_sentence_labels" in inputs
    _check_enough(tokens, 2 if pairs else 1, corpus, split, data)
    notes = [
        f"{len(corpus.documents):,} documents, {sum(map(len, corpus.documents)):,} sentences, "
        f"{corpus.characters:,} characters",
        f"{len(tokens.ids):,} tokens in this part, of {tokenizer.size:,} kinds",
    ]
    if pairs and tokens.num_documents == 1:
        notes.append("one document only: random next sentences come from elsewhere in it")
    about = DataDescription(
        corpus.source, 0, corpus.source_bytes, 0, notes=tuple(notes), libraries=("numpy", "tokenizers")
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
    return BertExamples(tokens, settings, special, seed=seed, split=split, inputs=inputs, about=about)


def _check_sizes(
    data: TextData,
    inputs: frozenset[str],
    limits: Mapping[str, int],
    longest: int | None,
    most_predictions: int | None,
) -> None:
    if "input_ids" not in inputs or "input_ids" not in limits:
        raise InputError(
            "data of kind 'text' gives input_ids, which no embedding of the model reads; "
            "set data.kind to what it reads"
        )
    if longest is not None and data.sequence_length > longest:
        raise InputError(
            f"data.sequence_length {data.sequence_length} is above the {longest} positions of the model; "
            "lower it, or raise model.max_positions"
        )
    if "masked_ids" in inputs and most_predictions is not None and data.max_predictions > most_predictions:
        raise InputError(
            f"data.max_predictions {data.max_predictions} is above the {most_predictions} that the model "
            "takes; lower it"
        )
    types = limits.get("token_type_ids", 2)
    if "next_sentence_labels" in inputs and "token_type_ids" in inputs and types < 2:
        raise InputError(
            f"sentence pairs have 2 token types, and the model has {types}; set model.type_vocab_size to 2"
        )


def _read_text(data: TextData) -> tuple[Corpus, tuple[Document, ...], tuple[Document, ...]]:
    """All text, the documents trained on, and those evaluated on."""
    corpus = read_files(data.files, data.layout) if data.files is not None else python_docs()
    if data.evaluation_files is not None:
        held_out = read_files(data.evaluation_files, data.layout)
        return corpus, corpus.documents, held_out.documents
    return corpus, *hold_out(corpus.documents, data.evaluation_fraction, data.split_seed)


def _tokenizer(data: TextData, training: tuple[Document, ...], rows: int, run_dir: Path | None) -> WordPiece:
    if data.vocabulary is not None:
        made_from = f"vocabulary {hashlib.sha256(read_bytes(data.vocabulary)).hexdigest()}"
    else:
        made_from = f"text {Corpus(training, '', 0).fingerprint()}"
    return open_tokenizer(
        sentences=(sentence for document in training for sentence in document),
        made_from=f"{made_from}, lower_case {data.lower_case}",
        vocabulary=data.vocabulary,
        vocabulary_size=rows,
        lower_case=data.lower_case,
        run_dir=run_dir,
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
