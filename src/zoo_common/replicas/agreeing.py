"""Doing a thing in all replicas so that it fails in all of them or in none: nobody waits for one that has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from pydantic import JsonValue

from zoo_common.replicas.base import Replicas, gathered
from zoo_spec.errors import InputError, ZooError

T = TypeVar("T")
_SHOWN = 10
"""Fields that a message has room for."""


class PeerFailedError(ZooError):
    """What another replica raised, told by those that could have gone on; the exit status is the other's."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class ToldError(ZooError):
    """What this replica or another raised, on all but replica 0, which is the one to tell of it."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


def all_do(replicas: Replicas, work: Callable[[], T]) -> T:
    """What ``work`` gives here, once it went well on every replica.

    Where it raised a ZooError or OSError on any, all raise: replica 0 its own error, or the first other's as
    PeerFailedError; the others ToldError. Other errors are this replica's own, and end it.
    """
    if replicas.size == 1:
        return work()
    error: ZooError | OSError | None = None
    try:
        found = work()
    except (ZooError, OSError) as raised:
        error = raised
    said = gathered(replicas, None if error is None else [str(error), getattr(error, "exit_status", 3)])
    failed = [(rank, each) for rank, each in enumerate(said) if isinstance(each, list)]
    if not failed:
        return found
    rank, (message, status) = failed[0]
    if replicas.rank:
        raise ToldError(str(message), _status(status)) from error
    if error is not None:
        raise error
    raise PeerFailedError(f"replica {rank}: {message}", _status(status))


def first_alone(replicas: Replicas, work: Callable[[], T]) -> T:
    """``all_do`` where replica 0 does it before the others begin, who find what it leaves."""
    if replicas.rank == 0:
        found = all_do(replicas, work)
        if replicas.size > 1:
            all_do(replicas, lambda: None)
        return found
    all_do(replicas, lambda: None)
    return all_do(replicas, work)


def same(replicas: Replicas, what: str, value: str, fields: Mapping[str, str] | None = None) -> None:
    """Raise InputError on replica 0, ToldError on the others, unless all give the same; it names what each gives.

    ``fields`` are parts of it by name: of these it names those that differ, and whose each value is.
    """
    values = [str(each) for each in gathered(replicas, value)]
    if len(set(values)) == 1:
        return
    lines = _differing(gathered(replicas, dict(fields or {})))
    lines = lines or [f"replica {rank}: {said}" for rank, said in enumerate(values)]
    more = [f"and {len(lines) - _SHOWN} fields more"] if fields and len(lines) > _SHOWN else []
    told = "\n  ".join([*(lines[:_SHOWN] if more else lines), *more])
    message = f"the replicas disagree on {what}; start all of them with the same:\n  {told}"
    raise ToldError(message, InputError.exit_status) if replicas.rank else InputError(message)


def _differing(of_each: Sequence[JsonValue]) -> list[str]:
    """A line for each field that not all have alike: every value of it, and whose it is."""
    found = [each for each in of_each if isinstance(each, dict)]
    lines = []
    for name in dict.fromkeys(name for fields in found for name in fields):
        ranks: dict[str, list[str]] = {}
        for rank, fields in enumerate(found):
            ranks.setdefault(str(fields.get(name, "absent")), []).append(str(rank))
        if len(ranks) > 1:
            said = ", ".join(f"{value} on {_counted(own)}" for value, own in ranks.items())
            lines.append(f"{name}: {said}")
    return lines


def _counted(ranks: Sequence[str]) -> str:
    return f"replica{'s' if len(ranks) > 1 else ''} {' and '.join(ranks)}"


def _status(given: JsonValue) -> int:
    return given if isinstance(given, int) else 1
