"""What the memory check reckons for BERT-base against what is measured, in each framework.

``python benchmarks/memory_estimate.py`` takes some minutes: a process a case. The activations are held against
what torch's saved-tensor hooks count, the whole against the most that a process held: during two training steps,
during a run in micro-batches that saves a checkpoint, and during two batches of evaluation.
"""

from __future__ import annotations

import json
import sys
import tempfile

from family_steps import Case
from measure import Row, finish, in_process, peak_bytes

from zoo_common.backend import find_backend
from zoo_common.memory import inference_bytes, step_sizes, training_bytes
from zoo_common.weights import InitialValues
from zoo_spec import load_spec
from zoo_spec.experiment import ExperimentSpec

WHOLE, ACTIVATIONS = 0.25, 0.20
PLAIN = ("model.dropout=0.0", "model.attention_dropout=0.0")
STEP = ("training.batch_size=8",)
RUN = (
    "data.kind=generated",
    "data.sequence_length=128",
    "data.max_predictions=20",
    "data.samples=64",
    "training.batch_size=16",
    "training.steps=2",
    "training.schedule=constant",
)
HALF = ("training.precision=bfloat16",)
RECOMPUTE = ("training.recompute=true",)


def main() -> None:
    rows = []
    for name, overrides in (
        ("dropout 0", PLAIN),
        ("as shipped", ()),
        ("dropout 0, bfloat16", (*PLAIN, *HALF)),
        ("recomputing", RECOMPUTE),
    ):
        found = _measured("kept", "torch", *STEP, *overrides)
        rows.append(_row(f"activations, {name}", found, ACTIVATIONS))
    for framework in ("torch", "tf"):
        for name, overrides in (
            ("dropout 0", PLAIN),
            ("as shipped", ()),
            ("dropout 0, bfloat16", (*PLAIN, *HALF)),
            ("recomputing", RECOMPUTE),
        ):
            found = _measured("step", framework, *STEP, *overrides)
            rows.append(_row(f"training step, {framework}, {name}", found, WHOLE))
        found = _measured("run", framework, *RUN)
        rows.append(_row(f"zoo train with a save, {framework}, as shipped", found, WHOLE))
        for name, overrides in (("as shipped", ()), ("bfloat16", HALF)):
            found = _measured("evaluate", framework, *overrides)
            rows.append(_row(f"evaluation, {framework}, {name}", found, WHOLE))
    finish(rows)


def _measured(what: str, framework: str, *overrides: str) -> dict[str, float]:
    return in_process("memory_estimate.py", what, framework, *overrides)


def _row(name: str, found: dict[str, float], limit: float) -> Row:
    estimate, measured = found["estimate"], found["measured"]
    print(f"{name}: estimated {estimate / 1e9:.2f} GB, measured {measured / 1e9:.2f} GB", flush=True)
    return Row(f"estimate of {name}: off by", abs(estimate / measured - 1), limit, "of it")


def case(what: str, framework: str, overrides: list[str]) -> None:
    """Print what one case was estimated at and what it needed, as JSON."""
    spec = load_spec("bert_base", overrides)
    graph = spec.graph()
    if what == "kept":
        cost = graph.cost(
            precision=spec.training.precision, recompute=spec.training.recompute, **step_sizes(spec, graph)
        )
        # The hooks count the weights' copies too, and run before anything is recomputed.
        estimate = cost.bytes["activations"] + cost.bytes["copies"]
        measured = _kept(spec)
    elif what == "evaluate":
        batch, sequence = Case().batch()["input_ids"].shape
        estimate = sum(inference_bytes(spec, graph, framework, batch=batch, sequence=sequence).values())
        measured = _evaluate(spec, framework)
    else:
        parts = training_bytes(spec, graph, framework)
        estimate = sum(parts.values()) - (parts["saving"] if what == "step" else 0)
        measured = {"step": _step, "run": _run}[what](spec, framework, overrides)
    print(json.dumps({"estimate": estimate, "measured": measured}))


def _kept(spec: ExperimentSpec) -> int:
    """Bytes that the graph of the loss holds besides parameters, each storage once."""
    import torch

    backend = _backend(spec, "torch")
    parameters = {parameter.untyped_storage().data_ptr() for parameter in backend.parameters.values()}
    storages: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            storages[storage.data_ptr()] = storage  # Kept, lest its address be used again.
        return tensor

    backend.model.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = backend.model(**backend._tensors(Case().batch()))
    del outputs
    return sum(storage.nbytes() for storage in storages.values())


def _step(spec: ExperimentSpec, framework: str, overrides: list[str]) -> int:
    from zoo_common.training.denominators import denominators

    backend, given = _backend(spec, framework), Case().batch()
    for _ in range(2):
        float(
            backend.train_step(
                [given], denominators(spec.graph(), given), spec.training.optimizer.learning_rate
            ).loss
        )
    return peak_bytes()


def _evaluate(spec: ExperimentSpec, framework: str) -> int:
    graph = spec.graph()
    weights = InitialValues(graph.parameters(), spec.training.seed)
    model = find_backend(framework)().for_inference(
        graph, weights, dtype=spec.training.precision, device="cpu"
    )
    for _ in range(2):
        model.evaluate_step(Case().batch())
    return peak_bytes()


def _run(spec: ExperimentSpec, framework: str, overrides: list[str]) -> int:
    from zoo_common.cli.main import main as zoo

    with tempfile.TemporaryDirectory() as folder:
        settings = [part for override in overrides for part in ("--set", override)]
        arguments = ["train", "--framework", framework, "--spec", "bert_base", "--run-dir", folder]
        try:
            zoo([*arguments, "--device", "cpu", *settings])
        except SystemExit as end:
            if end.code:
                raise
    return peak_bytes()


def _backend(spec: ExperimentSpec, framework: str):
    graph, training = spec.graph(), spec.training
    weights = InitialValues(graph.parameters(), training.seed)
    return find_backend(framework)().for_training(
        graph, training, weights, dtype=training.precision, device="cpu"
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        case(sys.argv[1], sys.argv[2], sys.argv[3:])
    else:
        main()
