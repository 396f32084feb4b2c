"""Tasks on text fit any backbone that gives what they need, and no other."""

from __future__ import annotations

import pytest

from zoo_common.data.base import batch
from zoo_common.data.opening import open_dataset
from zoo_spec import load_spec
from zoo_spec.errors import SpecError
from zoo_spec.shrink import shrunk

TASKS = {
    "sequence_classification": ("labels", ("batch",), ("batch", 2)),
    "sequence_multi_label_classification": ("labels", ("batch", 2), ("batch", 2)),
    "sequence_regression": ("labels", ("batch",), ("batch",)),
    "token_classification": ("labels", ("batch", "sequence"), ("batch", "sequence", 9)),
    "question_answering": ("start_positions", ("batch",), ("batch", "sequence")),
    "extractive_summarization": ("labels", ("batch", "sentences"), ("batch", "sentences")),
}


def with_task(name, task, *overrides):
    return load_spec(name, [f"task.kind={task}", "data.kind=generated", *overrides])


@pytest.mark.parametrize("name", ["bert_tiny", "gpt2_small"])
@pytest.mark.parametrize("task", TASKS)
def test_labels_and_logits_have_the_shapes_that_the_task_says(task, name):
    graph = with_task(name, task).graph()
    labels, shape, logits_shape = TASKS[task]
    logits = "start_logits" if task == "question_answering" else "logits"
    assert labels in graph.labels
    assert graph.inputs[labels].shape == shape
    assert graph.outputs[logits].shape == logits_shape
    assert all(graph.inputs[name].optional for name in graph.labels)


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        ("mnist_fc", "sequence_classification", "needs pooled, which mnist_fc does not give"),
        ("mnist_fc", "token_classification", "needs hidden_states, which mnist_fc does not give"),
        ("mnist_fc", "question_answering", "needs hidden_states, which mnist_fc does not give"),
        ("mnist_fc", "extractive_summarization", "needs hidden_states, which mnist_fc does not give"),
        (
            "vit_tiny",
            "question_answering",
            "needs the hidden states of tokens, .batch, sequence, hidden.; those",
        ),
        (
            "vit_tiny",
            "token_classification",
            "needs the hidden states of tokens, .batch, sequence, hidden.; those",
        ),
        ("bert_tiny", "image_classification", "needs features, which bert_tiny does not give"),
        ("bert_tiny", "summarization", "predicts each next token, which attention at"),
    ],
)
def test_a_task_that_does_not_fit_is_refused_by_name(name, task, message):
    with pytest.raises(SpecError, match=f"{task} {message}"):
        with_task(name, task)


def test_heads_have_the_dropout_of_the_papers_code():
    for task, rate in (("sequence_classification", 0.3), ("token_classification", 0.3)):
        graph = with_task("bert_tiny", task, "model.dropout=0.3").graph()
        node = "token_classifier" if task == "token_classification" else "classifier"
        assert graph.nodes[node].block.dropout == rate
        own = with_task("bert_tiny", task, "model.dropout=0.3", "task.dropout=0.2").graph()
        assert own.nodes[node].block.dropout == 0.2
    for task in ("question_answering", "extractive_summarization"):
        graph = with_task("bert_tiny", task, "model.dropout=0.3").graph()
        heads = [place for place in graph.places() if place.path.startswith(("span", "classifier"))]
        assert heads
        assert not any(getattr(place.block, "rate", 0.0) for place in heads)


def test_a_summary_by_a_causal_model_is_causal_lm_with_its_own_weights():
    one, other = (with_task("gpt2_small", task).graph() for task in ("causal_lm", "summarization"))
    assert (one.inputs, one.outputs) == (other.inputs, other.outputs)
    assert one.loss_parts[0].weights == other.loss_parts[0].weights == "label_weights"


@pytest.mark.parametrize("task", TASKS)
def test_generated_labels_are_within_the_task_s_limits(task):
    spec = shrunk(with_task("bert_tiny", task))
    example = batch(open_dataset(spec, None, "train"), 0, 0, 64)
    labels = example[TASKS[task][0]]
    if task == "sequence_regression":
        assert labels.dtype == "float32"
        return
    most = {"sequence_classification": 2, "token_classification": 9}.get(task, 2)
    most = example["input_ids"].shape[1] if task == "question_answering" else most
    assert set(labels.ravel()) <= set(range(most))
    assert len(set(labels.ravel())) > most // 2
