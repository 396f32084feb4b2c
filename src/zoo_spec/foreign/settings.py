"""What weights do not say: how a source computes with them, beside what a spec does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

ACTIVATIONS = {
    "gelu": "gelu_erf",
    "gelu_fast": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "swish": "silu",
}
"""What ``transformers`` calls the activations that have other names here."""


@dataclass(frozen=True)
class Setting:
    """A choice of a spec's model, by its path there and by its key in the source's configuration.

    ``usual`` is what the source's own model computes with where its configuration says nothing.
    """

    ours: str
    theirs: str
    usual: str | float


@dataclass(frozen=True)
class Fixed:
    """A field of a node's block that is the same in every model of the source, whatever its configuration says."""

    node: str
    field: str
    value: str


def usual_settings(activation: str, epsilon: float, *, key: str = "layer_norm_eps") -> tuple[Setting, ...]:
    """The two that most families of ``transformers`` have."""
    return (
        Setting("feed_forward.activation", "hidden_act", activation),
        Setting("norm.epsilon", key, epsilon),
    )


def differing(
    settings: Collection[Setting], model: object, config: Mapping[str, object] | None
) -> Iterator[str]:
    """A line for each setting of ``model`` that a configuration, or without one what is usual, has otherwise."""
    for setting in settings:
        here = _at(model, setting.ours)
        there = setting.usual if config is None else config.get(setting.theirs, setting.usual)
        there = ACTIVATIONS.get(there, there) if isinstance(there, str) else there
        if here is not None and here != there:
            yield f"model.{setting.ours} is {here}, and {setting.theirs} there {there}"


def _at(model: object, path: str) -> object:
    found = model
    for name in path.split("."):
        found = getattr(found, name, None)
    return found
