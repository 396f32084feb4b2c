"""``transformers``' way, with torch's fused AdamW and clipping, and the faster of its attentions."""

from __future__ import annotations

import sys
import time

from family_steps.case import Case
from family_steps.steps import Arrays, Run, Steps


def transformers_steps(case: Case) -> Steps:
    import torch

    device, own = "cuda" if case.device == "gpu" else "cpu", case.of.transformers
    torch.manual_seed(0)
    model = own.model(case).train().to(device)
    model.config.use_cache = False
    spec = case.spec.training.optimizer
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=spec.learning_rate,
        betas=(spec.beta_1, spec.beta_2),
        weight_decay=spec.weight_decay,
        eps=spec.epsilon,
        fused=True,
    )

    def tensors(given: Arrays) -> dict:
        return own.arguments({name: torch.from_numpy(value).to(device) for name, value in given.items()})

    run = torch.compile(model) if case.compiled else model
    half = torch.autocast(device, torch.bfloat16, enabled=case.dtype == "bfloat16")
    arguments = tensors(case.batch())

    def train() -> object:
        with half:
            loss = run(**arguments).loss
        loss.backward()
        if spec.max_gradient_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), spec.max_gradient_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def forward(rows: int) -> Run:
        given = tensors(case.features(rows))

        @torch.no_grad()
        def once() -> object:
            model.eval()
            with half:
                found = run(**given)
            model.train()
            return float(next(value for value in found.values() if value is not None).flatten()[0])

        return once

    if len(own.attention) > 1 and device == "cpu" and not case.compiled:
        _take_faster(model, own.attention, lambda: run(**arguments).loss.backward())
        model.zero_grad(set_to_none=True)
    return Steps(train, forward)


def _take_faster(model, implementations: tuple[str, ...], step: Run) -> None:
    """By the processor's time of two passes of each after one that warms up."""
    times: dict[str, float] = {}
    for name in implementations:
        model.set_attn_implementation(name)
        step()
        start = time.process_time()
        step()
        step()
        times[name] = time.process_time() - start
    best = min(times, key=times.__getitem__)
    model.set_attn_implementation(best)
    told = ", ".join(f"{name} {seconds / 2:.2f} s" for name, seconds in times.items())
    print(f"transformers attends by {best} ({told})", file=sys.stderr)
