"""Where a run is kept: a directory of the user's, or a temporary one for as long as the runner lives."""

from __future__ import annotations

import contextlib
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import yaml

from zoo_common.checkpoint import CheckpointStore, SavedWeights
from zoo_common.log import LOG, logging_to
from zoo_common.replicas import ALONE, Replicas, all_do, told
from zoo_common.training.differences import Fields
from zoo_common.training.followed import FollowedDirectory, require_shared
from zoo_common.training.origin import Claim
from zoo_common.training.run_directory import RunDirectory
from zoo_spec.errors import InputError

KEEP = 2
"""How many checkpoints stay where nobody says."""


class _Plain(yaml.SafeDumper):
    """Writes a value that is there twice twice, for whoever reads it takes no references."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def spec_text(description: Fields) -> str:
    """What stands in a run's ``spec.yaml``."""
    return yaml.dump(
        dict(description), Dumper=_Plain, sort_keys=False, default_flow_style=None, allow_unicode=True
    )


class RunStorage:
    """A run's directory with its checkpoints, the newest ``keep`` of which stay."""

    def __init__(
        self, directory: Path | None, *, keep: int = KEEP, quiet: bool = False, replicas: Replicas = ALONE
    ) -> None:
        self._own = None
        if directory is None:
            self._own = tempfile.TemporaryDirectory(prefix="zoo-") if replicas.rank == 0 else None
            directory = Path(str(told(replicas, self._own.name if self._own is not None else "")))
        self.path = directory
        self.store = CheckpointStore(RunDirectory(self.path).checkpoints, keep)
        self.quiet = quiet or replicas.rank > 0
        self._replicas = replicas

    def newest(self) -> SavedWeights:
        """The newest checkpoint, for who computes with it; InputError if there is none."""
        found = self.store.latest_weights()
        if found is None:
            raise InputError(f"{self.path}: has no checkpoint yet; train first")
        return found

    @contextlib.contextmanager
    def opened(
        self,
        description: Fields,
        versions: Mapping[str, str],
        read: Callable[[Path], Fields],
        claim: Claim,
    ) -> Iterator[RunDirectory]:
        """The directory, locked and logged to, for a run of what ``description`` says.

        ``read`` reads that back; ``claim`` says what else the run is. If the run fails before its first
        checkpoint, the directory that it began goes again. Errors are those of ``RunDirectory.open``, and InputError
        where replicas do not all see the directory.
        """
        with contextlib.ExitStack() as held:
            opened = (
                self._written(description, versions, read, claim)
                if self._replicas.rank == 0
                else self._followed()
            )
            directory = all_do(self._replicas, lambda: held.enter_context(opened))
            if self._replicas.size > 1:
                require_shared(self._replicas, directory)
            yield directory

    @contextlib.contextmanager
    def _followed(self) -> Iterator[RunDirectory]:
        with logging_to(None, console=False):
            yield FollowedDirectory(self.path)

    @contextlib.contextmanager
    def _written(
        self,
        description: Fields,
        versions: Mapping[str, str],
        read: Callable[[Path], Fields],
        claim: Claim,
    ) -> Iterator[RunDirectory]:
        text = spec_text(description)
        own = {"dualzoo": version("dualzoo"), "python": platform.python_version()}
        with RunDirectory(self.path).open(
            spec=description, spec_text=text, versions={**own, **versions}, read_spec=read, claim=claim
        ) as directory:
            try:
                with logging_to(directory.log_file, console=not self.quiet):
                    for change in directory.accepted:
                        for line in change.what:
                            LOG.warning(f"accepted from step {change.step} on: {line}")
                    yield directory
            except Exception:
                directory.discard()
                raise
