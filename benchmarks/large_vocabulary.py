"""GPT-2 small's training step without its logits: memory against transformers' step, time against all logits.

``python benchmarks/large_vocabulary.py`` (some minutes, 12 GB) prints a row a limit; it needs the extra
``benchmarks``. Memory is the peak of a process of three steps of 4 x 1,024 tokens; time is the processor's, both ways
in turn in one process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext

import numpy as np
from measure import Row, finish, in_process, peak_bytes, processor

MEMORY = 0.6
"""Of the peak of transformers' step."""
TIME = 1.0
"""Of the time with all logits."""
STEPS, ROWS, LENGTH, VOCABULARY = 3, 4, 1024, 50257
SETTINGS = (
    "model.dropout=0",
    "model.attention_dropout=0",
    "training.micro_batch_size=null",
    f"training.batch_size={ROWS}",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--length", type=int, default=256, help="tokens of a row of the steps that are timed")
    parser.add_argument("--only", choices=["torch", "tf"])
    parser.add_argument("--no-time", action="store_true")
    given = parser.parse_args()
    print(processor(), flush=True)
    rows = []
    peer = _case("peak", "transformers")["peak"]
    for framework in [given.only] if given.only else ["torch", "tf"]:
        parts, whole = (_case("peak", framework, way)["peak"] for way in ("parts", "whole"))
        said = f"({parts / 1e9:.2f} of {peer / 1e9:.2f} GB; {whole / 1e9:.2f} with all logits)"
        rows.append(Row(f"peak, {framework} / transformers {said}", parts / peer, MEMORY))
        print(rows[-1], flush=True)
        if not given.no_time:
            found = _case("time", framework, str(given.rounds), str(given.length))
            said = f"({found['parts']:.1f} of {found['whole']:.1f} s)"
            rows.append(
                Row(f"processor's time of a step, {framework}: parts / all {said}", found["ratio"], TIME)
            )
            print(rows[-1], flush=True)
    print()
    finish(rows)


def _case(*arguments: str) -> dict[str, float]:
    return in_process("large_vocabulary.py", *arguments)


def _batch(length: int) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (ROWS, length + 1)).astype(np.int32)
    return {
        "input_ids": ids[:, :-1],
        "labels": ids[:, 1:],
        "label_weights": np.ones((ROWS, length), np.float32),
    }


def _step(framework: str, length: int) -> tuple[Callable[[], object], object]:
    from zoo_common.backend import find_backend
    from zoo_common.training.denominators import denominators
    from zoo_common.weights import InitialValues
    from zoo_spec import load_spec

    spec = load_spec("gpt2_small", SETTINGS)
    graph, training, batch = spec.graph(), spec.training, _batch(length)
    weights = InitialValues(graph.parameters(), 0)
    backend = find_backend(framework)().for_training(graph, training, weights, dtype="float32", device="cpu")
    divisors = denominators(graph, batch)
    return lambda: float(backend.train_step([batch], divisors, 1e-4).loss), backend


def _transformers_step(length: int) -> Callable[[], object]:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    batch = _batch(length)
    ids, following = (torch.from_numpy(batch[name]).long() for name in ("input_ids", "labels"))

    def step() -> float:
        # The labels are the same as ours: it shifts them itself.
        loss = model(
            input_ids=ids, labels=torch.cat([ids[:, :1], following[:, :-1]], 1), use_cache=False
        ).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss)

    return step


def peak(who: str, way: str = "parts") -> dict[str, float]:
    from zoo_common.paths import fixed

    if who == "transformers":
        step, around = _transformers_step(LENGTH), nullcontext()
    else:
        step, _ = _step(who, LENGTH)
        around = fixed("logits whole") if way == "whole" else nullcontext()
    with around:
        for _ in range(STEPS):
            step()
    return {"peak": peak_bytes()}


def timed(framework: str, rounds: int, length: int) -> dict[str, float]:
    from zoo_common.paths import fixed

    step, backend = _step(framework, length)
    compiled: Mapping[str, dict] = {"parts": {}, "whole": {}}
    times: dict[str, list[float]] = {"parts": [], "whole": []}
    for turn in range(rounds + 1):
        for way in ("parts", "whole") if turn % 2 else ("whole", "parts"):
            if framework == "tf":
                backend._functions = compiled[way]  # A step is traced for the path of its first call.
            with fixed("logits whole") if way == "whole" else nullcontext():
                start = time.process_time()
                step()
                if turn:
                    times[way].append(time.process_time() - start)
    ratios = [a / b for a, b in zip(times["parts"], times["whole"], strict=True)]
    middle = {way: statistics.median(each) for way, each in times.items()}
    return {"ratio": statistics.median(ratios), **middle}


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if sys.argv[1:] and sys.argv[1] == "peak":
        print(json.dumps(peak(*sys.argv[2:])))
    elif sys.argv[1:] and sys.argv[1] == "time":
        print(json.dumps(timed(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
    else:
        main()
