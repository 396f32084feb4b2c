"""Zoo's own two ways."""

from __future__ import annotations

from family_steps.case import Case
from family_steps.steps import Run, Steps


def zoo_steps(framework: str, case: Case) -> Steps:
    from zoo_common.backend import find_backend
    from zoo_common.training.denominators import denominators
    from zoo_common.weights import InitialValues

    graph, given = case.graph, case.batch()
    training = case.spec.training.model_copy(update={"compile": "on" if case.compiled else "off"})
    weights = InitialValues(graph.parameters(), training.seed)
    backend = find_backend(framework)().for_training(
        graph, training, weights, dtype=case.dtype, device=case.device
    )
    divisors, rate = denominators(graph, given), training.optimizer.learning_rate
    forward = _torch_forward(backend, case) if framework == "torch" else _tf_forward(backend, case)
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
