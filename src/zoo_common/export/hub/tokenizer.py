"""A run's tokenizer as ``AutoTokenizer`` reads it, which adds the special tokens that the run's examples have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordPiece
from tokenizers.processors import TemplateProcessing

from zoo_common.data.subwords.byte_level_bpe import Gpt2Bpe
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.data.subwords.tokenizer_files import FILE
from zoo_common.data.subwords.vocabularies import MERGES, parse
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.tasks.predictions import NextWords

CONFIG, SPECIALS = "tokenizer_config.json", "special_tokens_map.json"
PUBLISHED = (
    CONFIG, SPECIALS, FILE, "added_tokens.json", "vocab.txt", "vocab.json", MERGES, "spiece.model",
    "sentencepiece.bpe.model",
)  # fmt: skip
"""Files of a tokenizer that an imported run keeps as they were, and gives back so."""


@dataclass(frozen=True)
class HubTokenizer:
    """Files by name, and the ids of special tokens as a configuration calls them."""

    files: Mapping[str, bytes]
    ids: Mapping[str, JsonValue]


def hub_tokenizer(spec: ExperimentSpec, text: bytes, published: Path | None) -> HubTokenizer:
    """Of a run's ``tokenizer.json``; the files that came with an imported run are handed back as they are."""
    pieces = parse(text.decode("utf-8"), FILE, "put the run's own back")
    names = _names(pieces)
    known = {name: pieces.tokenizer.token_to_id(token) for name, token in names.items()}
    ids: dict[str, JsonValue] = {
        f"{name}_token_id": known[name] for name in ("pad", "bos", "eos") if name in known
    }
    if published is not None and (published / CONFIG).is_file():
        return HubTokenizer(_kept(published), ids)
    tokenizer = Tokenizer.from_str(text.decode("utf-8"))
    if tokenizer.post_processor is None and not isinstance(spec.task.prediction(), NextWords):
        tokenizer.post_processor = _around(pieces)
    special = {f"{name}_token": token for name, token in names.items()}
    graph = spec.graph()
    given = ["input_ids", *(["token_type_ids"] if "token_type_ids" in graph.inputs else []), "attention_mask"]
    most = graph.bounds["sequence"].maximum
    config: dict[str, JsonValue] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": [*given],
        **({} if most is None else {"model_max_length": most}),
        **special,
    }
    files = {
        FILE: tokenizer.to_str(pretty=True).encode("utf-8"),
        CONFIG: _json(config),
        SPECIALS: _json(special),
        **_vocabulary(pieces.tokenizer),
    }
    return HubTokenizer(files, ids)


def _kept(published: Path) -> dict[str, bytes]:
    return {name: (published / name).read_bytes() for name in PUBLISHED if (published / name).is_file()}


def _names(pieces: Subwords) -> dict[str, str]:
    """Special tokens that there are, by what ``transformers`` calls their place."""
    pad, unknown, begin, end, mask = pieces.specials
    own_end = {"eos": end} if begin == end or begin == "<s>" else {}
    own_begin = {"bos": begin} if begin == "<s>" or isinstance(pieces, Gpt2Bpe) else {}
    classified = {"cls": begin, "sep": end} if begin != end else {}
    padding = {} if isinstance(pieces, Gpt2Bpe) else {"pad": pad}
    found = {**padding, "unk": unknown, **own_begin, **own_end, **classified, "mask": mask}
    return {name: token for name, token in found.items() if pieces.tokenizer.token_to_id(token) is not None}


def _around(pieces: Subwords) -> TemplateProcessing:
    """The special tokens around one text and around two, as the run's examples have them."""
    begin, end = pieces.specials[2], pieces.specials[3]
    first = f"{begin} $A {end}" if begin != end else f"$A {end}"
    second = f"{first} {' '.join([end] * (pieces.between - 1))} $B:1 {end}:1"
    if pieces.between > 1:
        second = second.replace(":1", "")  # RoBERTa has no second type.
    known = [(token, pieces.tokenizer.token_to_id(token)) for token in dict.fromkeys((begin, end))]
    return TemplateProcessing(single=first, pair=" ".join(second.split()), special_tokens=known)


def _vocabulary(tokenizer: Tokenizer) -> dict[str, bytes]:
    """The same in the older files, for readers that know no ``tokenizer.json``."""
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    if isinstance(tokenizer.model, WordPiece) and list(map(vocabulary.get, ordered)) == list(
        range(len(ordered))
    ):
        return {"vocab.txt": "".join(f"{token}\n" for token in ordered).encode("utf-8")}
    if isinstance(tokenizer.model, BPE):
        merges = json.loads(tokenizer.to_str())["model"]["merges"]
        lines = [each if isinstance(each, str) else " ".join(each) for each in merges]
        return {
            "vocab.json": json.dumps(
                {token: vocabulary[token] for token in ordered}, ensure_ascii=False
            ).encode("utf-8"),
            MERGES: "".join(f"{line}\n" for line in ("#version: 0.2", *lines)).encode("utf-8"),
        }
    return {}


def _json(content: Mapping[str, JsonValue] | Mapping[str, str]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
