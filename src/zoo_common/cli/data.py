"""``zoo data``: commands on data alone, before anything is trained.

Each is a module of this package, ``data_NAME``, with ``register(app)``, as every command is (``main``).
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import typer

COMMANDS = ("prepare", "inspect", "units")
"""Modules of ``zoo_common.cli``, without ``data_``, in the order of the help."""


def register(app: typer.Typer) -> None:
    """Add the group, with those of its commands that there are."""
    group = typer.Typer(
        name="data",
        help="Make data ready, look at it, cluster the hidden units of speech.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for name in COMMANDS:
        module = f"{__package__}.data_{name}"
        if find_spec(module) is not None:
            import_module(module).register(group)
    if group.registered_commands:
        app.add_typer(group)
