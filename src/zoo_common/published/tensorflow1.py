"""Checkpoints of TensorFlow 1 by their authors: google-research/bert, openai/gpt-2, Mesh TensorFlow's T5."""

from __future__ import annotations

from dataclasses import dataclass

from zoo_common.containers.tensor_bundle import TensorBundle
from zoo_common.published.author_tokenizers import google_tokenizer, mesh_tokenizer, openai_tokenizer
from zoo_common.published.place import Place
from zoo_common.published.source import Published, ReadTokenizer, families_in, of_no_tensors
from zoo_spec.errors import InputError
from zoo_spec.foreign.config import Config
from zoo_spec.models.t5_mesh import mesh_config
from zoo_spec.reading import printable

_GOOGLE, _OPENAI, _MESH = "google-research/bert", "openai/gpt-2", "mesh-t5"
_CLASSIFIER = "output_weights"


@dataclass(frozen=True)
class _Author:
    """A source, known by a variable that each of its models has, and the files that say its sizes."""

    source: str
    variable: str
    model_type: str
    files: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    tokenizer: ReadTokenizer | None = None


_AUTHORS = (
    _Author(
        _GOOGLE,
        "bert/embeddings/word_embeddings",
        "bert",
        ("bert_config.json", "config.json"),
        tokenizer=google_tokenizer,
    ),
    _Author(_OPENAI, "model/wte", "gpt2", ("hparams.json",), ("src/model.py",), openai_tokenizer),
    _Author(_MESH, "shared/embedding", "t5", classes=("Bitransformer",), tokenizer=mesh_tokenizer),
)


def recognise(place: Place) -> Published | None:
    """What such a checkpoint holds; None where there is none."""
    boxes = [box for box in place.boxes if box.format == TensorBundle.format]
    if not boxes:
        return None
    tensors = place.opened(boxes[0].path if len(boxes) == 1 else place.path, TensorBundle)
    author = next((each for each in _AUTHORS if each.variable in tensors), None)
    if author is None:
        names = ", ".join(each.variable for each in _AUTHORS)
        raise InputError(
            f"{printable(tensors.path)}: has none of the variables {names}, by which models are told"
        )
    family = families_in(author.source)[author.model_type]
    config, where = _config(place, author, tensors)
    return Published(
        author.source,
        family,
        config,
        where,
        tensors,
        tensors.files,
        place.folder,
        author.classes,
        of_no_tensors(tensors),
        tokenizer=author.tokenizer,
    )


def _config(place: Place, author: _Author, tensors: TensorBundle) -> tuple[Config, str]:
    if not author.files:
        names = {_current(name): entry.shape for name, entry in tensors.entries.items()}
        try:
            return mesh_config(names), printable(tensors.path)
        except ValueError as error:
            raise InputError(f"{printable(tensors.path)}: {error}") from None
    for name in author.files:
        found = place.json(name)
        if found is not None:
            return {**found, **_labels(tensors)}, printable(place.folder / name)
    raise InputError(
        f"{printable(place.folder / author.files[0])}: is missing, and the weights do not say how many heads they "
        f"have; put it beside them, as {author.source} publishes it"
    )


def _current(name: str) -> str:
    return name.replace("rms_norm", "layer_norm")


def _labels(tensors: TensorBundle) -> Config:
    """How many classes a classifier has, which its own configuration does not say."""
    entry = tensors.entries.get(_CLASSIFIER)
    return {"num_labels": entry.shape[0]} if entry is not None and entry.shape else {}
