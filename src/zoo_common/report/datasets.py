"""A spec's data as it is found: whether all of it is there and readable, and how large it is."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from zoo_common.data import open_dataset
from zoo_common.data.base import SPLITS
from zoo_common.data.opening import is_small
from zoo_common.report.description import SplitDescription
from zoo_spec.errors import ZooError
from zoo_spec.experiment import ExperimentSpec

_TOO_LARGE = "not opened: at these sizes an example takes more than this command will make"


def describe_data(spec: ExperimentSpec) -> tuple[tuple[SplitDescription, ...], tuple[str, ...]]:
    """Both splits, opened and one example of each made; and the libraries that this imports."""
    if not is_small(spec, spec.graph()):
        return tuple(SplitDescription(split, False, why=_TOO_LARGE) for split in SPLITS), ()
    found: list[SplitDescription] = []
    libraries: dict[str, None] = {}
    # A directory to keep the tokenizer in, so that it is trained for both splits at once.
    with TemporaryDirectory(prefix="zoo-") as directory:
        for split in SPLITS:
            try:
                about = open_dataset(spec, Path(directory), split).description()
            except ZooError as error:
                found.append(SplitDescription(split, False, why=str(error)))
                continue
            libraries |= dict.fromkeys(about.libraries)
            found.append(
                SplitDescription(
                    split,
                    about.readable,
                    source=about.source,
                    samples=about.samples,
                    source_bytes=about.source_bytes,
                    bytes_per_sample=about.bytes_per_sample,
                    notes=about.notes,
                )
            )
    return tuple(found), tuple(libraries)
