"""Evaluation, prediction and export of a run, again and again, while another process trains it and is killed.

``python beside.py FRAMEWORK DELAY`` reads run directories on standard input, looks at the newest one until the input
ends, and writes a line of JSON for each time: the command, its exit status, the step that it named, its loss and its
error. It waits up to DELAY seconds between the verification of a checkpoint and the reading of its weights, which is
when whoever trains may remove it.
"""

from __future__ import annotations

import json
import sys
import threading
import traceback
from functools import wraps
from itertools import cycle
from pathlib import Path
from random import Random
from time import sleep

import numpy as np
from typer.testing import CliRunner

from zoo_common.backend import find_backend
from zoo_common.cli.main import application
from zoo_common.training.spec_run import reopen
from zoo_spec.errors import ZooError

FRAMEWORK, DELAY = sys.argv[1], float(sys.argv[2])


def main() -> None:
    """Look until the input ends."""
    draw, backend = Random(0), find_backend(FRAMEWORK)
    for_inference = backend.for_inference

    @wraps(for_inference)
    def slowly(*arguments, **options):
        sleep(draw.random() * DELAY)
        return for_inference(*arguments, **options)

    backend.for_inference = slowly
    places: list[str | None] = []
    threading.Thread(target=listen, args=(places,), daemon=True).start()
    for work in cycle((evaluated, predicted, evaluated, exported)):
        while not places:
            sleep(0.01)
        if places[-1] is None:
            return
        directory = Path(places[-1])
        found = {"command": work.__name__, "directory": str(directory)}
        try:
            found |= work(directory)
        except ZooError as error:
            found |= {"status": error.exit_status, "error": str(error)}
        except BaseException:
            found |= {"status": -1, "error": traceback.format_exc()}
        print(json.dumps(found), flush=True)


def listen(places: list[str | None]) -> None:
    """Note each directory as it is named; None at the end."""
    for line in sys.stdin:
        places.append(line.strip())
    places.append(None)


def zoo(*arguments: object) -> dict[str, object]:
    """What the command line makes of it; raises what is no exit."""
    found = CliRunner().invoke(application(), [str(each) for each in arguments])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    if found.exit_code:
        return {"status": found.exit_code, "error": found.stderr}
    return {"status": 0, **json.loads(found.stdout)}


def evaluated(directory: Path) -> dict[str, object]:
    """``zoo eval``."""
    return zoo("eval", "--framework", FRAMEWORK, "--run-dir", directory, "--device", "cpu", "--json")


def exported(directory: Path) -> dict[str, object]:
    """``zoo export``, the same directory each time."""
    output = directory.parent / f"export-{FRAMEWORK}"
    where = ("--output", output, "--overwrite", "--json")
    found = zoo("export", "--framework", FRAMEWORK, "--run-dir", directory, *where)
    return {key: found[key] for key in ("status", "step", "error") if key in found}


def predicted(directory: Path) -> dict[str, object]:
    """What ``zoo predict`` does, on an image or a text of ones: the run's data is drawn, and tells no files."""
    run = reopen(find_backend(FRAMEWORK)(), directory, device="cpu", quiet=True)
    given = {"image": np.ones((1, 12, 12, 1), np.float32), "input_ids": np.ones((1, 8), np.int32)}
    rows = list(run.predict([{name: given[name] for name in given.keys() & run.learner.graph.inputs}]))
    finite = all(np.isfinite(value).all() for row in rows for value in row.values())
    return {"status": 0 if finite and len(rows) == 1 else -1, "step": run.step, "error": ""}


if __name__ == "__main__":
    main()
