"""Replicas that are threads of one process, with a backend that is in no need of a framework."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import count
from pathlib import Path

from zoo_common.replicas import PeerLostError

sys.path.append(str(Path(__file__).parent / "third_backend" / "src"))
NumpyBackend = import_module("zoo_numpy.backend").NumpyBackend


class Room:
    """Where so many threads meet."""

    def __init__(self, size, patience=60.0):
        self.size, self.patience = size, patience
        self.changed = threading.Condition()
        self.items = defaultdict(dict)
        self.has_lost = False

    def meet(self, number, rank, item):
        """What all give at their meeting of this number."""
        with self.changed:
            met = self.items[number]
            met[rank] = item
            self.changed.notify_all()
            self.changed.wait_for(lambda: len(met) == self.size or self.has_lost, self.patience)
            if len(met) < self.size:
                raise PeerLostError("another replica has gone")
            return [met[each] for each in range(self.size)]

    def lose(self):
        """One has ended."""
        with self.changed:
            self.has_lost = True
            self.changed.notify_all()

    def each(self, work):
        """What ``work(replicas)`` returns or raises in each, by rank; one that ends takes the others with it."""

        def run(rank):
            try:
                return work(ReplicaThread(self, rank))
            except Exception as error:
                self.lose()
                return error

        with ThreadPoolExecutor(self.size) as pool:
            return list(pool.map(run, range(self.size)))


class ReplicaThread:
    """One of them."""

    def __init__(self, room, rank):
        self.room, self.rank, self.size = room, rank, room.size
        self.meetings = count()

    def _meet(self, item):
        return self.room.meet(next(self.meetings), self.rank, item)

    def sum(self, values):
        given = self._meet(values)
        return {name: sum(each[name] for each in given) for name in values}

    def gather(self, item):
        assert isinstance(item, bytes)
        return self._meet(item)

    def barrier(self):
        self._meet(None)

    def leave(self):
        pass
