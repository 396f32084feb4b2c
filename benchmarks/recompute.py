"""Memory that ``training.recompute`` saves in each framework, and the time that it costs: 12 layers, 32 x 128 tokens.

``python benchmarks/recompute.py`` trains three steps in a process a case. Memory is how much a process' peak grew
by the steps; in torch also what the saved-tensor hooks count.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

from measure import Row

OVERRIDES = (
    "model.num_layers=12",
    "model.hidden_size=256",
    "model.num_heads=4",
    "model.intermediate_size=1024",
    "model.vocab_size=2000",
    "data.kind=generated",
    "data.sequence_length=128",
    "training.batch_size=32",
    "training.micro_batch_size=null",
)
STEPS = 3
KEPT = 0.25
"""Of the bytes that the backward pass keeps: eleven of twelve layers keep one tensor instead of some twenty."""
GROWTH = 0.5
"""Of the growth of the peak, which also holds what one layer's backward pass needs."""
TIME = 2.0
"""Of a step's time: a forward pass more is a third, and the machine is not ours alone."""


def case(framework: str, recompute: bool, precision: str) -> None:
    """Print what one case needed, as JSON."""
    from zoo_common.backend import find_backend
    from zoo_common.data import batch, open_dataset
    from zoo_common.training.loop import train_on
    from zoo_common.weights import InitialValues
    from zoo_spec import load_spec

    settings = (f"training.recompute={str(recompute).lower()}", f"training.precision={precision}")
    spec = load_spec("bert_base", overrides=[*OVERRIDES, *settings])
    graph, training = spec.graph(), spec.training
    dataset = open_dataset(spec, None, "train")
    batches = [batch(dataset, 0, index, training.batch_size) for index in range(STEPS)]
    weights = InitialValues(graph.parameters(), training.seed)
    backend = find_backend(framework)().for_training(graph, training, weights, dtype=precision, device="cpu")
    # A step of one example makes the optimizer and the kernels' own buffers.
    train_on(backend, graph, training.model_copy(update={"batch_size": 1}), batch(dataset, 0, 0, 1), 0)
    kept = _kept_by_torch(backend, batches[0]) if framework == "torch" else None
    before = _peak()
    times, losses = [], []
    for index, each in enumerate(batches):
        start = time.perf_counter()
        losses.append(float(train_on(backend, graph, training, each, index + 1).result.loss))
        times.append(time.perf_counter() - start)
    found = {
        "kept": kept,
        "growth": _peak() - before,
        "time": statistics.median(times),
        "losses": losses,
    }
    print(json.dumps(found))


def _kept_by_torch(backend, batch) -> int:
    """Bytes that the graph of the batch's loss holds besides parameters, reckoned from two and four examples."""
    size = next(iter(batch.values())).shape[0]
    two, four = (
        _kept_by_loss(backend, {name: value[:few] for name, value in batch.items()}) for few in (2, 4)
    )
    return two + (four - two) * (size - 2) // 2


def _kept_by_loss(backend, batch) -> int:
    import torch

    parameters = {parameter.untyped_storage().data_ptr() for parameter in backend.parameters.values()}
    sizes: dict[int, int] = {}
    keep = []

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            sizes[storage.data_ptr()] = storage.nbytes()
            keep.append(tensor)  # Lest its address be used again.
        return tensor

    backend.model.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = backend.model(**backend._tensors(batch))
    backend.model.eval()
    del outputs
    return sum(sizes.values())


def _peak() -> int:
    """The most memory that this process has held, in bytes."""
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def measured(framework: str, recompute: bool, precision: str) -> dict:
    arguments = ["--case", framework, str(int(recompute)), precision]
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    rows: list[Row] = []
    for precision in ("float32", "bfloat16"):
        for framework in ("torch", "tf"):
            plain, again = (measured(framework, recompute, precision) for recompute in (False, True))
            name = f"{framework}, {precision}"
            if plain["kept"] is not None:
                rows.append(Row(f"{name}: kept for the backward pass", again["kept"] / plain["kept"], KEPT))
            rows.append(Row(f"{name}: growth of the peak", again["growth"] / plain["growth"], GROWTH))
            rows.append(Row(f"{name}: time of a step", again["time"] / plain["time"], TIME))
            print(f"{name}: {_line('plain', plain)}; {_line('recomputing', again)}", flush=True)
    for row in rows:
        print(row)
    return 0 if all(row.passed for row in rows) else 1


def _line(name: str, found: dict) -> str:
    kept = "" if found["kept"] is None else f"kept {found['kept'] / 1e6:.0f} MB, "
    return f"{name} {kept}peak grew by {found['growth'] / 1e6:.0f} MB, {found['time']:.2f} s a step"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs=3, metavar=("FRAMEWORK", "RECOMPUTE", "PRECISION"))
    given = parser.parse_args().case
    if given:
        case(given[0], given[1] == "1", given[2])
    else:
        sys.exit(main())
