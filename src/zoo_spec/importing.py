"""Importing what may be missing or broken: whatever goes wrong in there is one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint
from inspect import getmembers, isclass, isfunction
from typing import get_type_hints

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


def lacking(found: type, protocol: type) -> Iterator[str]:
    """The protocol's methods that the class has not, and of what they give, where that is a protocol too.

    Each is named with its class. What a method gives is known by its annotation; without one it is not looked into.
    """
    for name, declared in getmembers(protocol, isfunction):
        if name.startswith("_"):
            continue
        method = getattr(found, name, None)
        wanted = get_type_hints(declared).get("return")
        if not callable(method):
            yield f"{found.__name__}.{name}"
        elif isclass(wanted) and getattr(wanted, "_is_protocol", False):
            gives = _given_by(method)
            if isclass(gives):
                yield from lacking(gives, wanted)


def _given_by(method: object) -> object:
    try:
        return get_type_hints(method).get("return")
    except NameError:  # What is imported for a type checker alone.
        return None
