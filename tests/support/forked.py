"""Replicas of TensorFlow, a process each: forked from one that has imported it and computed nothing yet."""

from __future__ import annotations

import os
import pickle
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from zoo_common.backend import find_backend
from zoo_common.replicas import Environment, Replicas
from zoo_common.replicas.meeting import free_port

T = TypeVar("T")


def forked(size: int, run: Callable[[Replicas], T]) -> list[T]:
    """What ``run`` gives on each of so many replicas, by rank; AssertionError where one fails."""
    backend, first = find_backend("tf")(), f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="zoo-forked-") as folder:
        children = []
        for rank in range(size):
            child = os.fork()
            if child:
                children.append(child)
                continue
            status = 1
            try:
                replicas = backend.join(Environment(rank, size, rank, first, timeout=120.0))
                Path(folder, str(rank)).write_bytes(pickle.dumps(run(replicas)))
                replicas.leave()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        ended = [os.waitpid(child, 0)[1] for child in children]
        assert not any(ended), f"of the replicas ended with {ended}"
        return [pickle.loads(Path(folder, str(rank)).read_bytes()) for rank in range(size)]
