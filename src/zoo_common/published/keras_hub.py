"""KerasHub's presets: ``config.json`` of a backbone as plain data, its weights, and those of a task's head."""

from __future__ import annotations

from pydantic import JsonValue

from zoo_common.containers import Container
from zoo_common.containers.keras_h5 import KerasH5
from zoo_common.published.author_tokenizers import keras_hub_tokenizer
from zoo_common.published.place import Place
from zoo_common.published.source import Published, families_in
from zoo_common.weights import WeightSource
from zoo_spec.arrays import Array
from zoo_spec.errors import InputError
from zoo_spec.foreign.config import Config
from zoo_spec.models.keras_hub_encoders import LAYER_NAMES
from zoo_spec.reading import printable

SOURCE = "keras_hub"
_BACKBONE, _TASK = "config.json", "task.json"
_WEIGHTS = ("model.weights.h5", "model.weights.json")
_HEAD = "task.weights.h5"
_OF_A_HEAD = {"num_classes": "num_labels", "pooling": "pooling", "intermediate_dim": "intermediate_dim"}


def recognise(place: Place) -> Published | None:
    """What such a folder holds; None for what is none."""
    saved = place.json(_BACKBONE)
    if saved is None or "registered_name" not in saved:
        return None
    where = printable(place.folder / _BACKBONE)
    name, config = _object(saved, where)
    known = families_in(SOURCE)
    if name not in known:
        raise InputError(
            f"{where}: is of KerasHub's {name}, and those that are read are {', '.join(sorted(known))}"
        )
    weights = next((path for each in _WEIGHTS if (path := place.folder / each).is_file()), None)
    if weights is None:
        raise InputError(f"{where}: there is no {' or '.join(_WEIGHTS)} beside it")
    backbone, head, named = place.opened(weights, KerasH5), None, name
    task = place.json(_TASK)
    if task is not None:
        named, said = _object(task, printable(place.folder / _TASK))
        config = {**config, **{ours: said[theirs] for theirs, ours in _OF_A_HEAD.items() if theirs in said}}
        if (place.folder / _HEAD).is_file():
            head = place.opened(place.folder / _HEAD, KerasH5)
    tensors = _Preset(backbone, head)
    _check_layers(named, tensors)
    files = (*backbone.files, *(head.files if head is not None else ()))
    return Published(
        SOURCE,
        known[name],
        config,
        where,
        tensors,
        files,
        place.folder,
        (named,),
        tokenizer=keras_hub_tokenizer,
    )


class _Preset(WeightSource):
    """A backbone's arrays, and with ``task/`` before their paths a head's, which can be the same."""

    def __init__(self, backbone: KerasH5, head: KerasH5 | None) -> None:
        self._owners: dict[str, tuple[Container, str]] = {_today(name): (backbone, name) for name in backbone}
        self.layer_names = {_today(path): called for path, called in backbone.layer_names.items()}
        if head is not None:
            self._owners |= {f"task/{_today(name)}": (head, name) for name in head}
            self.layer_names |= {f"task/{_today(path)}": called for path, called in head.layer_names.items()}
        self.entries = {name: owner.entries[given] for name, (owner, given) in self._owners.items()}

    def read(self, name: str) -> Array:
        """The array."""
        owner, given = self._owners[name]
        return owner.read(given)


def _today(path: str) -> str:
    """A path as Keras spells it today; that of TensorFlow 2.13 had another name for a model's layers."""
    return path.replace("_layer_checkpoint_dependencies/", "layers/", 1)


def _object(saved: dict[str, JsonValue], where: str) -> tuple[str, Config]:
    """The class and the configuration of a serialised object, of which nothing is made."""
    registered, config = saved.get("registered_name"), saved.get("config")
    package, _, name = str(registered).rpartition(">")
    if package not in ("keras_hub", "keras_nlp") or not isinstance(config, dict):
        raise InputError(f"{where}: is of {printable(str(registered))}, and no preset of KerasHub")
    return name, config


def _check_layers(name: str, tensors: _Preset) -> None:
    """Refuse layers that are called otherwise than those of the class: of two of a class only the order tells."""
    for path, called in LAYER_NAMES.get(name, {}).items():
        found = tensors.layer_names.get(f"{path}/vars", called)
        if found != called:
            raise InputError(
                f"{path} of {name} calls itself {printable(found)}, and {called} is expected there"
            )
