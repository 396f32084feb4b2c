"""Zoo's own two ways."""

from __future__ import annotations

from typing import Any

from family_steps.case import Case
from family_steps.steps import Run, Steps


def zoo_steps(framework: str, case: Case) -> Steps:
    return steps_of(zoo_backend(framework, case), case)


def zoo_backend(framework: str, case: Case) -> Any:
    """Of a framework, with the case's model and its optimizer."""
    from zoo_common.backend import find_backend
    from zoo_common.weights import InitialValues

    graph = case.graph
    training = case.spec.training.model_copy(update={"compile": "on" if case.compiled else "off"})
    weights = InitialValues(graph.parameters(), training.seed)
    return find_backend(framework)().for_training(
        graph, training, weights, dtype=case.dtype, device=case.device
    )


def steps_of(backend: Any, case: Case) -> Steps:
    from zoo_common.training.denominators import denominators

    given = case.batch()
    divisors, rate = denominators(case.graph, given), case.spec.training.optimizer.learning_rate
    forward = _torch_forward(backend, case) if backend.name == "torch" else _tf_forward(backend, case)
    return Steps(lambda: float(backend.train_step([given], divisors, rate).loss), forward)


def _torch_forward(backend, case: Case):
    import torch

    model = torch.compile(backend.model) if case.compiled else backend.model

    def forward(rows: int) -> Run:
        tensors = backend._tensors(case.features(rows))

        @torch.no_grad()
        def run() -> object:
            return float(_some(model(**tensors)))

        return run

    return forward


def _tf_forward(backend, case: Case):
    import tensorflow as tf

    def forward(rows: int) -> Run:
        features = case.features(rows)
        tensors = backend._tensors(features)
        if case.compiled:
            function = tf.function(backend._forward, jit_compile=True)
        else:
            function = backend._function("forward", backend._forward, features)
        return lambda: float(_some(function(tensors)))

    return forward


def _some(outputs):
    """A number of the last output that is more than one, which waits for it."""
    found = next(value for name, value in reversed(outputs.items()) if name.endswith("logits"))
    return found[(0,) * len(found.shape)]
