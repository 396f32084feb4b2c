"""Importing what other packages registered: whatever goes wrong in there is one line that names them."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from zoo_spec.errors import EnvironmentFault, ZooError
from zoo_spec.reading import printable

_SHOWN = 300


def load_entry(entry: EntryPoint, what: str) -> object:
    """What an entry point names; ``what`` it is ("the framework", "the plugin") is for the message.

    Raises EnvironmentFault for whatever its import raises: also a SystemExit, or a panic that is no Exception.
    """
    try:
        found: object = entry.load()
        return found
    except (ZooError, KeyboardInterrupt):
        raise
    except BaseException as error:
        why = printable(str(error).strip().partition("\n")[0][:_SHOWN])
        raise EnvironmentFault(
            f"{what} {printable(entry.name)} ({printable(entry.value)}) cannot be imported: "
            f"{type(error).__name__}{f': {why}' if why else ''}; mend or uninstall it (ZOO_DEBUG=1 shows where)"
        ) from error
