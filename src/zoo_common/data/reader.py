"""How examples are made of data: for each kind registered on its spec's class, ``@open_data.register``.

A plugin does so with its own. What can be said of a kind before anything is read is in ``zoo_spec.data_fit``, which
files it is read from in ``zoo_common.data.file_marks``; both are registered in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from pathlib import Path

from zoo_common.data.base import Dataset, Split
from zoo_spec.data import Data
from zoo_spec.errors import EnvironmentFault
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph


@dataclass(frozen=True)
class Wanted:
    """What examples are made for: a spec's graph, and one part of its data.

    What making them learns of the data, such as a vocabulary, is kept in ``run_dir``; without one it is made anew.
    ``part`` tells the sources of a mixture apart there.
    """

    spec: ExperimentSpec
    graph: Graph
    split: Split
    run_dir: Path | None = None
    part: str = ""

    @property
    def seed(self) -> int:
        """Whatever is drawn is drawn by it."""
        return self.spec.training.seed

    @property
    def begins_with(self) -> str | None:
        """Whose weights the run begins with: a run's directory, or a checkpoint's; None for its own."""
        return self.spec.training.initialize_from

    @property
    def inputs(self) -> frozenset[str]:
        """The names of the graph's inputs, of which an example has those that the data gives."""
        return frozenset(self.graph.inputs)


def as_trained_on(wanted: Wanted) -> Wanted:
    """What is wanted, of which training examples are no longer than batches have them."""
    if wanted.split != "train":
        return wanted
    spec = wanted.spec
    return replace(wanted, spec=spec.model_copy(update={"data": spec.data.trained_on}))


def kept_by(source: str, file: str) -> Path | None:
    """What a run keeps under this name, or the run that a checkpoint lies in; None where there is no such file."""
    place = Path(source)
    found = (directory / file for directory in (place, *place.resolve().parents[1:2]))
    return next((path for path in found if path.is_file()), None)


@singledispatch
def open_data(data: Data, wanted: Wanted) -> Dataset:
    """The examples; InputError for data that is missing, of another form, too small, or out of the model's ranges.

    Raises EnvironmentFault for a kind that nobody has registered.
    """
    raise unread(data)


def unread(data: Data) -> EnvironmentFault:
    """What is raised for a kind of data that nobody has registered."""
    return EnvironmentFault(
        f"nothing reads data of kind {data.kind!r}: whoever brings it registers that with "
        "zoo_common.data.reader.open_data, or, if it gives records, with zoo_common.data.records.read_records"
    )
