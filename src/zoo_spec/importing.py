"""Importing what may be missing or broken: whatever goes wrong in there is one line that says what to do."""

from __future__ import annotations

from importlib import import_module
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
        raise EnvironmentFault(
            f"{what} {printable(entry.name)} ({printable(entry.value)}) cannot be imported: {_said(error)}; "
            "mend or uninstall it (ZOO_DEBUG=1 shows where)"
        ) from error


def require_extra(module: str, *, library: str, extra: str, what: str) -> None:
    """Import a library that only some of Zoo needs; ``what`` needs it is for the message.

    Raises EnvironmentFault, with the line that installs it, where it is missing or raises.
    """
    try:
        import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == module
        state = "is not installed" if missing else f"cannot be imported ({_said(error)})"
        raise EnvironmentFault(
            f"{what} needs {library}, which {state}: pip install 'dualzoo[{extra}]'"
        ) from error


def _said(error: BaseException) -> str:
    why = printable(str(error).strip().partition("\n")[0][:_SHOWN])
    return f"{type(error).__name__}{f': {why}' if why else ''}"
