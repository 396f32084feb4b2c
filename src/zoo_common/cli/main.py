"""The command ``zoo``: which commands there are, and how everything that goes wrong becomes an exit status.

A command is a module of this package with ``register(app)``, which adds it to the application; ``COMMANDS``
names the modules in the order of the help. At its top such a module imports no more than ``typer`` and
``zoo_common.cli.options``: what a command needs, it imports inside its function, so that ``zoo --help``, and
a command for one framework, load nothing that they do not use.

Exit status: 0 done, 1 a check failed, 2 the input was wrong, 3 the machine cannot do it, 130 interrupted,
143 saved and ended by SIGTERM.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from typing import Annotated, TextIO

import typer
from typer.core import TyperCommand, TyperGroup

from zoo_common.cli.options import example
from zoo_common.cli.output import mute, to_a_reader

COMMANDS = (
    "list_",
    "describe",
    "plan",
    "show",
    "diff",
    "validate",
    "schema",
    "data",
    "import_",
    "train",
    "eval",
    "predict",
    "export",
    "parity",
    "demo",
    "plot",
)
"""Modules of ``zoo_common.cli``."""

_INTERRUPTED = 130
"""128 and the signal's number, as shells have it."""


class _Commands(TyperGroup):
    """Runs a command, and turns what it raises into a message and an exit status."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # Its base's is not public.
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except typer.Exit:
            with to_a_reader():  # The check's own status counts.
                pass
            raise
        except (Exception, KeyboardInterrupt) as error:
            status = exit_status(error)
            if status is None:
                raise
            raise typer.Exit(status) from None
        return result


class _Command(TyperCommand):
    """Refuses an option that is given twice where one value is meant: the last would win without a word."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for option in dict.fromkeys(given):
            many = (
                option.nargs != 1 or getattr(option, "multiple", False) or getattr(option, "is_flag", False)
            )
            if given.count(option) > 1 and not many:
                ctx.fail(f"{option.opts[0]} is given {given.count(option)} times; it takes one value")
        return super().parse_args(ctx, args)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and end the process with its exit status."""
    # Building and tracing models makes many objects and few circles: looking for these took a twelfth of the time.
    gc.set_threshold(100_000, 20, 20)
    sys.stdout, sys.stderr = _screen(sys.stdout), _screen(sys.stderr)
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        application()(args=given, prog_name="zoo", obj=given)
    except BrokenPipeError:
        mute()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


@cache
def application() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        name="zoo",
        cls=_Commands,
        help="One spec file, two native models (PyTorch and Keras), and proof that they are the same model.",
        epilog=example(
            "zoo list", "zoo describe --spec bert_tiny", "zoo train --framework torch --spec bert_tiny"
        ),
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_zoo)
    for name in COMMANDS:
        module = f"{__package__}.{name}"
        if find_spec(module) is not None:
            import_module(module).register(app)
    groups = [each.typer_instance for each in app.registered_groups]
    for command in chain.from_iterable(each.registered_commands for each in (app, *groups) if each):
        command.cls = _Command
    return app


def exit_status(error: BaseException) -> int | None:
    """The status that a command ends with after ``error``, its message printed; None if it is a defect.

    With ``ZOO_DEBUG`` in the environment the traceback is printed too.
    """
    from zoo_spec.errors import ZooError

    if os.environ.get("ZOO_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, ZooError):
        print(error, file=sys.stderr)
        return error.exit_status
    if isinstance(error, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    if isinstance(error, MemoryError):
        print("out of memory; close other programs, or lower training.micro_batch_size", file=sys.stderr)
        return 3
    if isinstance(error, BrokenPipeError) or (isinstance(error, OSError) and error.errno == errno.EPIPE):
        mute()
        return 0  # Whoever stopped reading has seen enough.
    if isinstance(error, OSError) and error.errno is not None:
        print(f"{error.strerror}: {error.filename}" if error.filename else error, file=sys.stderr)
        return 3
    return None


def _zoo(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=lambda on: _version(on)),
    ] = False,
) -> None:
    pass


def _version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        print(f"zoo {version('dualzoo')}")
    except PackageNotFoundError:
        print("zoo, from a source folder that is not installed")
    raise typer.Exit


def _screen(stream: TextIO) -> TextIO:
    """The stream for people, where there is one beneath that takes bytes."""
    from zoo_common.screen import Screen

    return Screen(stream) if isinstance(stream, io.TextIOWrapper) else stream


if __name__ == "__main__":
    main()
