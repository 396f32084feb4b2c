"""Which logits training need not have all at once, and what memory that saves."""

from __future__ import annotations

import pytest

from zoo_common.memory import inference_bytes, training_bytes
from zoo_spec import load_spec
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.heads import ScoreHead
from zoo_spec.blocks.losses import SoftmaxCrossEntropy
from zoo_spec.blocks.scale import Scale
from zoo_spec.graph import GraphBuilder
from zoo_spec.graph.spared_logits import SparedLogits
from zoo_spec.tensors import TensorSpec

BIG = ("training.micro_batch_size=null", "training.batch_size=16")


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("gpt2_small", "lm_head"),
        ("gptj_6b", "lm_head"),
        ("t5_small", "lm_head"),
        ("bert_base", "masked_lm.decoder"),
        ("mnist_fc", None),
        ("bert_tiny_squad", None),
    ],
)
def test_logits_of_a_vocabulary_are_spared_and_those_of_a_few_classes_are_not(name, product):
    assert [each.product for each in load_spec(name).graph().spared_logits] == ([product] if product else [])


def graph(*, classes=9, wired=lambda graph, x, logits: None, weights=lambda graph, x: None):
    found = GraphBuilder("drawn")
    x = found.input("x", TensorSpec(("batch", 4)))
    logits = found.add("head", Dense(size=classes), x)
    labels = found.input("labels", TensorSpec(("batch",), "int32", optional=True), label=True)
    found.output("logits", logits)
    found.loss(found.add("own_loss", SoftmaxCrossEntropy(), logits, labels, weights=weights(found, x)))
    wired(found, x, logits)
    return found.finish()


def read_by_another(found, x, logits):
    found.output("more", found.add("more", Scale(factor=2.0), logits))


def given_weights(found, x):
    return found.input("weights", TensorSpec(("batch",), "float32", optional=True), label=True)


def computed_weights(found, x):
    return found.add("weights", ScoreHead(), x)


def test_a_drawn_graphs_logits_are_spared_where_only_the_loss_reads_them():
    spared = (SparedLogits("head", "own_loss"),)
    assert graph().spared_logits == spared
    assert graph(weights=given_weights).spared_logits == spared
    assert graph(classes=4).spared_logits == ()
    assert graph(wired=read_by_another).spared_logits == ()
    assert graph(weights=computed_weights).spared_logits == ()


def test_training_does_not_count_logits_that_are_never_there_and_evaluating_does():
    spec = load_spec("gpt2_small", BIG)
    found, sizes = spec.graph(), {"batch": 16, "sequence": 1024}
    rows, vocabulary = 16 * 1024, 50257
    kept = {whole: found.cost(whole_logits=whole, **sizes).bytes["activations"] for whole in (False, True)}
    assert kept[True] - kept[False] == (rows - 2 * 512) * vocabulary * 4
    assert training_bytes(spec, found, "torch", **sizes)["activations"] == kept[False]
    assert training_bytes(spec, found, "no such framework", **sizes)["activations"] == kept[False]
    assert inference_bytes(spec, found, "torch", **sizes)["activations"] > rows * vocabulary * 4
