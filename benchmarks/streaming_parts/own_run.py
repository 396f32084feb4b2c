"""``own_run.py FRAMEWORK SPEC STEPS RUN_DIR OVERRIDE...``: a run's first steps, and their losses as JSON.

It is made as ``zoo train`` makes it, by one row a step, and ends before the evaluation that follows a last step.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from zoo_common.backend import find_backend
from zoo_common.training.metrics_file import losses
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec


def main() -> None:
    framework, name, steps, folder, *overrides = sys.argv[1:]
    settings = [
        *overrides,
        "training.batch_size=1",
        "training.micro_batch_size=1",
        f"training.steps={int(steps) + 1}",
        f"training.save_every={int(steps) + 1}",
        "training.log_every=1",
        "training.schedule=constant",
    ]
    run = spec_run(find_backend(framework)(), load_spec(name, settings), Path(folder), device="cpu")
    found = losses(run.train(max_steps=int(steps)))
    print(json.dumps({"losses": [found[step] for step in sorted(found)]}))


if __name__ == "__main__":
    main()
