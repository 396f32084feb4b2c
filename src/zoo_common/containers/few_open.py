"""Files that are held open: few of many, and none of which what follows fails."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """What holds a file open."""

    def close(self) -> None:
        """Let go of it."""


Opened = TypeVar("Opened", bound=Closable)


class FewOpen(Generic[Opened]):
    """Opens files as they are asked for, and closes the one that was not asked for longest."""

    def __init__(self, opener: Callable[[Path], Opened], most: int = 4) -> None:
        self._opener, self._most = opener, most
        self._open: OrderedDict[Path, Opened] = OrderedDict()

    def get(self, path: Path) -> Opened:
        """The file, open; whoever asks does not close it."""
        if path not in self._open:
            while len(self._open) >= self._most:
                self._open.popitem(last=False)[1].close()
            self._open[path] = self._opener(path)
        self._open.move_to_end(path)
        return self._open[path]

    def close(self) -> None:
        """Close all."""
        while self._open:
            self._open.popitem()[1].close()


@contextmanager
def closed_if_it_fails(held: Closable) -> Iterator[None]:
    """Let go of what is held open if what follows fails, as a constructor that holds it may."""
    try:
        yield
    except BaseException:
        held.close()
        raise
