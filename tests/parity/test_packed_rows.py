"""Packed rows teach what the same examples teach in rows of their own: losses and gradients, in float64."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from drawn import some
from models import training_model
from uneven import UnevenExamples
from zoo_common.backend import TrainingModel
from zoo_common.data.batching.packed import PackedExamples
from zoo_common.parity.probes import probe_weights
from zoo_common.training.denominators import denominators, split
from zoo_spec import load_spec
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.shrink import shrunk
from zoo_spec.training.optimizers import Sgd
from zoo_spec.training.schedules import Constant

LIMIT = 1e-10  # of the tensor's largest magnitude
SIZES = {"sequence": 24, "target_sequence": 20, "predictions": 4, "sentences": 5}
BERT = (
    "masked_lm",
    "masked_lm_next_sentence",
    "sequence_classification",
    "sequence_multi_label_classification",
    "sequence_regression",
    "token_classification",
    "question_answering",
    "extractive_summarization",
)
CASES = [
    *(("bert_tiny", task) for task in BERT),
    ("roberta_tiny", "masked_lm"),
    ("roberta_tiny", "sequence_classification"),
    ("ernie_tiny", "masked_lm_sentence_order"),
    ("ernie_tiny", "question_answering"),
    ("gpt2_tiny", "causal_lm"),
    ("gpt2_tiny", "sequence_classification"),
    ("gpt2_tiny", "summarization"),
    ("gpt3_tiny", "causal_lm"),
    ("gptj_tiny", "causal_lm"),
    ("gpt_neox_tiny", "causal_lm"),
    ("gpt_neox_tiny", "sequence_regression"),
    ("t5_tiny", "sequence_to_sequence_lm"),
    ("t5_tiny", "span_corruption"),
    ("transformer_tiny", "sequence_to_sequence_lm"),
    ("rotary_bert", "masked_lm_next_sentence"),
    ("u_text_encoder", "masked_lm"),  # Composed, each block written out.
    ("causal_lm", "causal_lm"),
]


DROPLESS = (
    ("bert_tiny", "masked_lm_next_sentence"),
    ("bert_tiny", "question_answering"),
    ("gpt2_tiny", "sequence_classification"),
    ("transformer_tiny", "sequence_to_sequence_lm"),
)

IN_TENSORFLOW = sorted({*DROPLESS, *some("packed", CASES, 2)})
"""Of which two are drawn: that both frameworks give the same of packed rows, parity shows."""

each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])


@cache
def small(name: str, task: str) -> ExperimentSpec:
    spec = load_spec(name)
    if spec.model.kind != "graph":
        spec = load_spec(name, [f"task={task}", "data.kind=generated", "model.dropout=0"])
    spec = shrunk(spec)
    training = {"optimizer": Sgd(), "schedule": Constant(), "micro_batch_size": None, "precision": "float64"}
    return spec.model_copy(update={"training": spec.training.model_copy(update=training)})


@cache
def model(name: str, task: str, framework: str) -> TrainingModel:
    spec = small(name, task)
    return training_model(framework, spec.graph(), spec.training)


def batches(name: str, task: str, *, weighted: bool) -> dict[str, dict[str, np.ndarray]]:
    """All examples, each in a row of its own, and several in a row."""
    graph = small(name, task).graph()
    sizes = {
        key: min(size, graph.bounds[key].maximum or size)
        for key, size in SIZES.items()
        if key in graph.bounds
    }
    examples = UnevenExamples(graph, sizes, 11, weighted=weighted)
    packed = PackedExamples(examples, graph)
    assert packed.rows < len(examples) / 1.5
    return {
        "padded": wide(examples.batch(0, 0, len(examples))),
        "packed": wide(packed.batch(0, 0, packed.rows)),
    }


def wide(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        key: value.astype(np.float64) if value.dtype.kind == "f" else value for key, value in batch.items()
    }


def require_equal(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    # A bias of keys moves all scores of a query alike: its gradient is 0, and what is there is rounding's.
    largest = max(float(np.abs(value).max()) for value in wanted.values())
    for name, value in wanted.items():
        limit = LIMIT * max(float(np.abs(value).max()), 1e-3 * largest)
        np.testing.assert_allclose(found[name], value, rtol=0, atol=limit, err_msg=name)


@pytest.mark.parametrize(
    ("name", "task", "framework"),
    [*((*case, "torch") for case in CASES), *((*case, "tf") for case in IN_TENSORFLOW)],
)
def test_a_packed_batch_has_the_loss_and_gradients_of_its_examples_in_rows_of_their_own(
    name, task, framework
):
    trained = model(name, task, framework)
    trained.set_weights(probe_weights(small(name, task).graph(), 3))
    # Labels that an example has once go without weights on one side: a packed row has some that are 0.
    for weighted in (True, False):
        given = batches(name, task, weighted=weighted)
        losses = {key: trained.evaluate_step(batch) for key, batch in given.items()}
        for part in small(name, task).graph().loss_parts:
            names = (f"{part.name}_loss", f"{part.name}_denominator")
            require_equal(*({each: losses[key][each] for each in names} for key in ("packed", "padded")))
        assert losses["padded"]["loss"] > 0.1
        require_equal(*({"loss": losses[key]["loss"]} for key in ("packed", "padded")))
        if weighted:
            require_equal(trained.gradients(given["packed"]), trained.gradients(given["padded"]))


@each_framework
@pytest.mark.parametrize(("name", "task"), DROPLESS)
def test_micro_batches_of_packed_rows_add_up_to_the_padded_batch(name, task, framework):
    graph = small(name, task).graph()
    weights = probe_weights(graph, 3)
    trained = model(name, task, framework)
    given = batches(name, task, weighted=False)
    trained.set_weights(weights)
    wanted = trained.gradients(given["padded"])
    packed = given["packed"]
    rows = next(size for size in range(2, 9) if len(packed["input_ids"]) % size)
    result = trained.train_step(split(packed, rows), denominators(graph, packed), 1.0)
    after = trained.export_state().weights
    require_equal({key: weights[key] - after[key] for key in wanted}, wanted)
    trained.set_weights(weights)
    np.testing.assert_allclose(float(result.loss), trained.evaluate_step(given["padded"])["loss"], rtol=LIMIT)
