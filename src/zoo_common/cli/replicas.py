"""The options of commands that several replicas run together, and how a command becomes one of them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from zoo_common.backend import Backend
    from zoo_common.replicas import Replicas

ReplicasOption = Annotated[
    int | None,
    typer.Option(
        "--replicas",
        min=1,
        metavar="N",
        help="Processes that do it together, one a device, with the numbers of one. By default one, or those that "
        "torchrun or TF_CONFIG speak of.",
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--replica-timeout",
        min=1.0,
        metavar="SECONDS",
        help="How long one of them may stand still: 60, or 1800 where torchrun or a scheduler started them.",
    ),
]
RestartsOption = Annotated[
    int,
    typer.Option(
        "--max-restarts",
        min=0,
        metavar="N",
        help="How often they are started again from the checkpoint, where one was killed or stood still.",
    ),
]


ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="KIND",
        help="Where --replicas are started: ray, the Ray cluster of RAY_ADDRESS or of this machine. By default as "
        "processes of this machine.",
    ),
]
LeastOption = Annotated[
    int | None,
    typer.Option(
        "--min-replicas",
        min=1,
        metavar="N",
        help="With --cluster: begin, and go on, with as few, where there is no room for more. By default all of "
        "--replicas.",
    ),
]
_LAUNCHERS = ("--replicas", "--min-replicas", "--cluster", "--max-restarts", "--replica-timeout")
"""Options that say how replicas are started, and mean nothing to a replica."""


@dataclass(frozen=True)
class Cluster:
    """Where replicas are started, other than on this machine, and with how few they may begin."""

    kind: str | None = None
    least: int | None = None
    device: str = "auto"

    def check(self, count: int | None) -> None:
        """Raise InputError for options that do not go together."""
        from zoo_spec.errors import InputError

        if self.kind not in (None, "ray"):
            raise InputError(f"no cluster {self.kind!r}; there is: ray")
        if self.kind is not None and count is None:
            raise InputError(f"--cluster {self.kind} needs --replicas, the number to start")
        if self.least is not None and self.kind is None:
            raise InputError("--min-replicas goes with --cluster; leave it out")
        if self.least is not None and count is not None and self.least > count:
            raise InputError(
                f"--min-replicas is {self.least}, and --replicas {count}; ask for at least as many"
            )

    def start(self, arguments: Sequence[str], count: int, frozen_after: float | None, restarts: int) -> int:
        """Start them, there or on this machine, and return the job's exit status."""
        if self.kind is None:
            from zoo_common.replicas.launcher import launch

            return launch(arguments, count, frozen_after=frozen_after, restarts=restarts)
        from zoo_common.replicas.on_ray import launch_on_ray

        return launch_on_ray(
            _without(arguments, _LAUNCHERS),
            count,
            least=self.least,
            gpus=self.device != "cpu",
            frozen_after=frozen_after,
            restarts=restarts,
        )


_HERE = Cluster()


def _without(arguments: Sequence[str], names: Sequence[str]) -> list[str]:
    """The arguments without these options and their values."""
    kept: list[str] = []
    given = iter(arguments)
    for each in given:
        if each in names:
            next(given, None)
        elif each.partition("=")[0] not in names:
            kept.append(each)
    return kept


@contextlib.contextmanager
def joined(
    context: typer.Context,
    framework: str,
    count: int | None,
    timeout: float | None = None,
    restarts: int = 0,
    cluster: Cluster = _HERE,
) -> Iterator[tuple[Backend, Replicas]]:
    """The backend, and the replicas that the environment speaks of, which this process has joined; else one alone.

    Where several are asked for and nobody has started them, this process starts them, and ends with their exit
    status; it imports no framework. Of all but replica 0, nothing is printed that replica 0 prints too.
    """
    from zoo_common.backend import backends, find_backend
    from zoo_common.replicas import ALONE, Environment, PeerLostError, ToldError
    from zoo_common.replicas.child import INTERRUPTED, LOST, is_launched, tie_to_launcher
    from zoo_common.training.session import DivergedError
    from zoo_common.training.stop import TerminatedError
    from zoo_spec.errors import InputError

    is_ours = is_launched(os.environ)
    if is_ours:
        tie_to_launcher()
    cluster.check(count)
    environment = Environment.read(os.environ, None if is_ours else timeout)
    if environment is None:
        if count is not None and (count > 1 or cluster.kind is not None):
            if framework not in backends():
                find_backend(framework)  # Says which there are.
            raise typer.Exit(cluster.start(context.obj or sys.argv[1:], count, timeout, restarts))
        yield find_backend(framework)(), ALONE
        return
    if count is not None and count != environment.size:
        raise InputError(
            f"--replicas is {count}, and the environment (WORLD_SIZE, TF_CONFIG) speaks of {environment.size}; leave "
            "--replicas out where torchrun or a scheduler starts them, or unset these variables"
        )
    silent = (ToldError, DivergedError, TerminatedError, PeerLostError) if environment.rank else ()
    try:
        with _muted() if environment.rank else contextlib.nullcontext():
            backend = find_backend(framework)()
            replicas = backend.join(environment)
            try:
                yield backend, replicas
                replicas.barrier()
            finally:  # After an error too: torch's threads, left running, may end the process by SIGABRT.
                replicas.leave()
    except KeyboardInterrupt:
        if is_ours:  # The launcher says so.
            raise typer.Exit(INTERRUPTED) from None
        raise
    except PeerLostError:
        if is_ours:
            raise typer.Exit(LOST) from None
        raise
    except silent as error:
        raise typer.Exit(error.exit_status) from None


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Nothing on standard output, and no warnings: replica 0 says all of it."""
    import warnings

    with (
        open(os.devnull, "w", encoding="utf-8") as nothing,
        contextlib.redirect_stdout(nothing),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
