"""A folder that ``transformers`` loads by ``from_pretrained``, with nothing of this package."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from zoo_common.containers.safetensors_writing import size_of
from zoo_common.data.subwords.tokenizer_files import FILE as TOKENIZER
from zoo_common.export.folder import put
from zoo_common.export.formats import FileFormat, Trained, Written
from zoo_common.export.hub.config import SOURCE, HubConfig, config_of
from zoo_common.export.hub.sentence import sentence_files
from zoo_common.export.hub.tokenizer import HubTokenizer, hub_tokenizer
from zoo_common.export.hub.weights import ForeignWeights, shards_of, write_weights
from zoo_common.export.programs import OPTIMIZER
from zoo_spec.base import PositiveInt
from zoo_spec.reading import read_file

CONFIG = "config.json"
_LARGEST_CONFIG = 16 << 20
_AS_THEY_CAME = ("preprocessor_config.json", "generation_config.json", "config_sentence_transformers.json")
"""How inputs are made, and answers."""
_ROOM = 1 << 20
_NO_TOKENS: dict[str, JsonValue] = {"bos_token_id": None, "eos_token_id": None}
"""Where nobody knows them: the defaults of the GPTs' configurations are ids that a small vocabulary lacks."""


class TransformersFiles(FileFormat):
    """``config.json``, ``model.safetensors`` and the tokenizer's files, as ``save_pretrained`` writes them."""

    kind: Literal["transformers"] = "transformers"
    shard_bytes: PositiveInt = 5_000_000_000
    """The most bytes of a file of weights, unless one tensor is larger."""

    def needed(self, trained: Trained) -> int:
        """The tensors' bytes and room for the rest; InputError for what ``transformers`` has no class for."""
        tokenizer = _tokenizer(trained)
        _config(trained, tokenizer)
        sentence_files(trained.spec)
        tensors = ForeignWeights(trained.spec, SOURCE, trained.weights)
        beside = 0 if tokenizer is None else sum(map(len, tokenizer.files.values()))
        return sum(map(size_of, tensors.entries.values())) + beside + _ROOM

    def write(self, trained: Trained, directory: Path) -> Written:
        """The folder's files."""
        tokenizer = _tokenizer(trained)
        config = _config(trained, tokenizer)
        tensors = ForeignWeights(trained.spec, SOURCE, trained.weights)
        files = {
            CONFIG: (json.dumps(config.keys, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode(
                "utf-8"
            ),
            **({} if tokenizer is None else tokenizer.files),
            **sentence_files(trained.spec),
            **_handed_back(trained.published),
        }
        put(files, directory)
        written = write_weights(tensors, directory, shards_of(tensors.entries, self.shard_bytes))
        return Written((*files, *written), tuple(_left_out(trained, config, tokenizer)))


def _config(trained: Trained, tokenizer: HubTokenizer | None) -> HubConfig:
    tokens = dict(_NO_TOKENS) if tokenizer is None else dict(tokenizer.ids)
    if "target_sequence" in trained.spec.graph().bounds:
        tokens["decoder_start_token_id"] = tokens.get("pad_token_id", 0)
    [(dtype, _)] = Counter(each.dtype for each in trained.weights.entries.values()).most_common(1)
    return config_of(
        trained.spec, dtype=dtype, labels=trained.labels, tokens=tokens, before=_before(trained.published)
    )


def _before(published: Path | None) -> dict[str, JsonValue]:
    """The configuration that an imported run came with."""
    if published is None or not (published / CONFIG).is_file():
        return {}
    found: dict[str, JsonValue] = json.loads(
        read_file(published / CONFIG, most=_LARGEST_CONFIG, remedy="no configuration is so long")
    )
    return found


def _handed_back(published: Path | None) -> dict[str, bytes]:
    """What an imported run came with, and no spec says."""
    if published is None:
        return {}
    return {name: (published / name).read_bytes() for name in _AS_THEY_CAME if (published / name).is_file()}


def _tokenizer(trained: Trained) -> HubTokenizer | None:
    text = trained.beside.get(TOKENIZER)
    return None if text is None else hub_tokenizer(trained.spec, text, trained.published)


def _left_out(trained: Trained, config: HubConfig, tokenizer: HubTokenizer | None) -> Iterator[str]:
    spec = trained.spec
    yield OPTIMIZER
    yield f"the loss: {config.architecture} has its own"
    yield from config.left_out
    if spec.training.random == "portable":
        yield "training.random portable: dropout draws by torch's generator there"
    if spec.training.precision == "bfloat16":
        yield "training.precision bfloat16: it computes in the weights' dtype there, unless it is loaded in another"
    if tokenizer is None and "input_ids" in spec.graph().inputs:
        yield "a tokenizer: the run has none"
    preprocessing = spec.data.preprocessing()
    if preprocessing and _AS_THEY_CAME[0] not in _handed_back(trained.published):
        said = ", ".join(f"{name} {value}" for name, value in preprocessing.items())
        yield f"how inputs are prepared: {said}"
