"""Weights under other projects' names; each family's table stands beside it in ``zoo_spec.models``."""

from __future__ import annotations

from collections.abc import Mapping

from zoo_common.interop.convert import from_foreign, to_foreign
from zoo_spec.arrays import Array
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.foreign.config import Config

__all__ = ["from_foreign", "from_transformers", "to_foreign", "to_transformers"]


def from_transformers(
    spec: ExperimentSpec, state_dict: Mapping[str, object], config: Config | None = None
) -> dict[str, Array]:
    """``{transformers' name: array}`` to ``{canonical name: array}``; refuses as ``from_foreign`` does.

    ``config`` is what stands in ``config.json`` (``model.config.to_dict()``): where the spec computes something else
    with these weights (another form of GELU, another epsilon), that is refused. Without it the log says so where
    the spec is not what is usual there.
    """
    return from_foreign(spec, "transformers", state_dict, config=config)


def to_transformers(spec: ExperimentSpec, weights: Mapping[str, object]) -> dict[str, Array]:
    """``{canonical name: array}`` to the names of the ``transformers`` class for the spec's task.

    Tied tensors stand under each of their names, as ``load_state_dict(strict=True)`` wants them.
    Refuses as ``to_foreign`` does.
    """
    return to_foreign(spec, "transformers", weights)
