"""What a spec's run begins with: another run's weights, as far as they fit, and the spec that a run keeps."""

from __future__ import annotations

from pathlib import Path

from zoo_common.log import LOG
from zoo_common.training.fitting import fitted
from zoo_common.training.own_description import read_description
from zoo_common.training.warm_start import Choose, Given, warm_started
from zoo_common.weights import InitialValues, Report, WeightSource
from zoo_spec import load_spec
from zoo_spec.errors import InputError, SpecError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph


def chooser(spec: ExperimentSpec, graph: Graph) -> Choose:
    """Takes what there is of a spec's body, and of its head what fits; the rest stays new."""

    def choose(own: WeightSource, given: Given) -> tuple[WeightSource, Report]:
        other = None
        try:
            other = spec_in(given.spec_file) if given.spec_file.is_file() else None
        except SpecError as error:
            LOG.warning(f"{given.spec_file}: cannot be read, so that shapes alone say what fits: {error}")
        return fitted(spec, graph, own, given.weights, where=given.name, other=other, wanted=given.wanted)

    return choose


def beginning(spec: ExperimentSpec, graph: Graph) -> str:
    """The checkpoint that ``training.initialize_from`` stands for; InputError where its weights do not fit."""
    own = InitialValues(graph.parameters(), spec.training.seed)
    assert spec.training.initialize_from is not None
    with warm_started(own, spec.training.initialize_from, chooser(spec, graph)) as (_, found):
        return str(found)


def spec_in(file: Path) -> ExperimentSpec:
    """The spec of a run; InputError where it is a user's own model's."""
    own = read_description(file)
    if own is not None:
        raise InputError(
            f"{file.parent}: holds a run of a user's own model, {own.get('model')}; give another directory, or "
            "go on in Python, with the runner that made it"
        )
    return load_spec(file)
