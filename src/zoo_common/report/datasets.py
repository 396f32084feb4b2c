"""A spec's data as it is found: whether all of it is there and readable, and how large it is."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from zoo_common.data import Wanted, open_dataset
from zoo_common.data.base import SPLITS
from zoo_common.data.opening import is_small
from zoo_common.report.description import SplitDescription
from zoo_common.report.real_share import in_words, real_shares
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
                dataset = open_dataset(spec, Path(directory), split)
                about = dataset.description()
                wanted = Wanted(spec, spec.graph(), split, Path(directory))
                shares = real_shares(dataset, wanted) if split == "train" else {}
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
                    real_shares=shares,
                    real=in_words(shares, spec.data.batching.kind) if shares else "",
                )
            )
    return tuple(found), tuple(libraries)
