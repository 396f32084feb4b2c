"""The command ``zoo`` on a slow disk, saying on standard output what it is at, so that a kill can be aimed.

``python slow_zoo.py DELAY train …`` waits DELAY seconds before each operation on the disk, in each write and in
each evaluation, and writes a line ``@PHASE`` when it comes to something, ``@ack STEP DIGESTS`` when a save has
returned. It patches the modules from outside; Zoo itself knows nothing of it.
"""

from __future__ import annotations

import os
import re
import sys
import time


def mark(text):
    os.write(1, f"@{text}\n".encode())  # At once, past every buffer, for a kill may follow.


if __name__ == "__main__":
    mark("start-up: imports")

import contextlib  # noqa: E402 (the first mark comes before everything that takes time)
from functools import wraps  # noqa: E402
from importlib import import_module  # noqa: E402

from zoo_common.backend import find_backend  # noqa: E402
from zoo_common.checkpoint import manifest, saving, store  # noqa: E402
from zoo_common.cli import main as command  # noqa: E402
from zoo_common.training import events, metrics_file, run, run_directory  # noqa: E402

DELAY = 0.0
PHASES = ["between"]


@contextlib.contextmanager
def phase(name):
    PHASES.append(name)
    mark(name)
    try:
        yield
    finally:
        PHASES.pop()
        mark(PHASES[-1])


def named(owner, function, name, delay=0.0):
    """Have ``owner``'s function say when it is at work."""
    real = getattr(owner, function)

    @wraps(real)
    def work(*arguments, **options):
        with phase(name):
            time.sleep(delay)
            return real(*arguments, **options)

    setattr(owner, function, work)


def slow(function, place):
    """Have a function of ``os`` wait and say which phase's operation it is; ``place`` names its argument."""
    real = getattr(os, function)

    def work(*arguments, **options):
        if PHASES[-1] != "between":
            mark(f"{PHASES[-1]}: {function} {place(arguments[0])}")
            time.sleep(DELAY)
        return real(*arguments, **options)

    setattr(os, function, work)


def plain(path):
    """The last part of a path, without what differs from one save to the next."""
    name = os.path.basename(os.fsdecode(path))
    return re.sub(r"\.[0-9a-f]{8}\.partial", ".partial", re.sub(r"step-\d+", "step", name))


def opened(descriptor):
    try:
        return plain(os.readlink(f"/proc/self/fd/{descriptor}"))
    except OSError:  # Not on Linux.
        return "file"


def slow_write(path, chunks, write=manifest.write_file):
    def pieces():
        for chunk in chunks:
            middle = len(chunk) // 2
            for piece in (chunk[:middle], chunk[middle:]):
                mark(f"{PHASES[-1]}: write {plain(path)}")
                time.sleep(DELAY)
                yield piece

    return write(path, pieces())


def acknowledged(self, step, *arguments, save=store.CheckpointStore.save, **options):
    path = save(self, step, *arguments, **options)
    files = manifest.Manifest.read(path).files
    mark(f"ack {step} {' '.join(files[name].sha256 for name in sorted(files))}")
    return path


def patch(framework):
    named(run_directory.RunDirectory, "open", "start-up: opening")
    named(store.CheckpointStore, "latest", "start-up: reading")
    named(find_backend(framework), "for_training", "start-up: model")
    named(run.Run, "_evaluate", "evaluation", delay=4 * DELAY)
    named(metrics_file.MetricsFile, "append", "logging", delay=DELAY / 4)
    named(events.EventWriter, "add", "logging", delay=DELAY / 4)
    for function in ("replace", "link", "mkdir", "rmdir", "unlink"):
        slow(function, plain)
    slow("fsync", opened)
    saving.write_file = slow_write
    store.CheckpointStore.save = acknowledged
    named(run.Run, "_save", "save")
    names = {"torch": "TorchTraining", "tf": "TensorFlowTraining"}
    trained = getattr(import_module(f"zoo_{framework}.training"), names[framework])
    streamed = import_module(f"zoo_{framework}.streaming").StreamedTraining
    for each in (trained,) if issubclass(streamed, trained) else (trained, streamed):
        named(each, "train_step", "step", delay=DELAY / 4)


def main():
    global DELAY
    DELAY, arguments = float(sys.argv[1]), sys.argv[2:]
    patch(arguments[arguments.index("--framework") + 1])
    command.main(arguments)


if __name__ == "__main__":
    main()
