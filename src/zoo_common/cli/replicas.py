"""The options of commands that several replicas run together, and how a command becomes one of them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
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


@contextlib.contextmanager
def joined(
    context: typer.Context, framework: str, count: int | None, timeout: float | None = None, restarts: int = 0
) -> Iterator[tuple[Backend, Replicas]]:
    """The backend, and the replicas that the environment speaks of, which this process has joined; else one alone.

    Where ``count`` are asked for and nobody has started them, this process starts them, and ends with their exit
    status; it imports no framework. Of all but replica 0, nothing is printed that replica 0 prints too.
    """
    from zoo_common.backend import backends, find_backend
    from zoo_common.replicas import ALONE, Environment, PeerLostError, ToldError
    from zoo_common.replicas.child import LOST, is_launched, tie_to_launcher
    from zoo_common.replicas.launcher import launch
    from zoo_common.training.session import DivergedError
    from zoo_common.training.stop import TerminatedError
    from zoo_spec.errors import InputError

    is_ours = is_launched(os.environ)
    if is_ours:
        tie_to_launcher()
    environment = Environment.read(os.environ, None if is_ours else timeout)
    if environment is None:
        if (count or 1) > 1:
            assert count is not None
            if framework not in backends():
                find_backend(framework)  # Says which there are.
            raise typer.Exit(
                launch(context.obj or sys.argv[1:], count, frozen_after=timeout, restarts=restarts)
            )
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
            yield backend, replicas
            replicas.barrier()
            replicas.leave()
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
