"""``first_layers.py FRAMEWORK SPEC LAYERS STEPS EXECUTION``: the losses of a model's first layers, as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from zoo_common.backend import find_backend
from zoo_common.training.metrics_file import losses
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec


def main() -> None:
    framework, name, layers, steps, execution = sys.argv[1:]
    overrides = [
        f"model.num_layers={layers}",
        "training.batch_size=1",
        "training.micro_batch_size=1",
        f"training.steps={steps}",
        f"training.save_every={steps}",
        "training.log_every=1",
        "training.schedule=constant",
        "training.recompute=true",
        f"training.execution={execution}",
    ]
    spec = load_spec(name, overrides)
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        logged = spec_run(find_backend(framework)(), spec, Path(folder), device="cpu", quiet=True).train()
    found = losses(logged)
    print(json.dumps({"losses": [found[step] for step in sorted(found)]}))


if __name__ == "__main__":
    main()
