"""Wiring that would run and be wrong, or fail late in a framework, is refused by the spec layer."""

import pytest

from zoo_spec import load_spec
from zoo_spec.errors import SpecError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.shrink import shrunk

FEATURES = {"x": {"shape": ("batch", 4)}, "target": {"shape": ("batch",), "dtype": "int32", "label": True}}
LOSS = {"block": {"kind": "softmax_cross_entropy"}, "inputs": ("scores", "target")}
SCORES = {"block": {"kind": "dense", "size": 3}, "inputs": "x"}


def composed(nodes, outputs, inputs=FEATURES, **parts):
    model = {"kind": "graph", "inputs": inputs, "nodes": nodes, "outputs": outputs}
    return ExperimentSpec.model_validate({"name": "composed", "model": model, **parts})


def summed(*terms):
    return {"block": {"kind": "sum_losses"}, "inputs": terms}


@pytest.mark.parametrize(
    ("more_nodes", "outputs", "message"),
    [
        ({"s": summed("a_loss", "a_loss")}, {"loss": "s"}, "takes 'a_loss' twice"),
        ({"a": LOSS, "s": summed("a_loss", "a")}, {"loss": "s"}, "would both be called 'a'"),
        ({}, {"loss": "a_loss.numerator"}, "is a part of one; take 'a_loss'"),
        ({"s": summed("a_loss.numerator")}, {"loss": "s"}, "is a part of one; take 'a_loss'"),
        ({"s": summed("a_loss", "number")}, {"loss": "s"}, "'number' is an input"),
        ({}, {"a_numerator": "scores", "loss": "a_loss"}, "must be 'a_loss.numerator'"),
    ],
)
def test_a_loss_is_summed_over_losses_each_once_and_under_its_own_name(more_nodes, outputs, message):
    inputs = {**FEATURES, "number": {"shape": ()}} if "number" in message else FEATURES
    with pytest.raises(SpecError, match=message):
        composed({"scores": SCORES, "a_loss": LOSS, **more_nodes}, outputs, inputs).graph()


@pytest.mark.parametrize("order", [("loss", "a_loss"), ("a_loss", "loss")])
def test_a_part_of_the_loss_may_be_named_by_the_author_too(order):
    graph = composed({"scores": SCORES, "a_loss": LOSS}, dict.fromkeys(order, "a_loss")).graph()
    assert set(graph.outputs) == {"loss", "a_loss", "a_numerator", "a_denominator"}


@pytest.mark.parametrize(
    ("inputs", "nodes", "outputs", "message"),
    [
        ("classifier", {"y": "classifier"}, {"features": "y"}, "stands for an input and a node"),
        ("x", {"labels": "x"}, {"features": "labels"}, "stands for an input and a node"),
        ("x", {"y": "x"}, {"features": "y", "logits": "y"}, "output 'logits' is 'y' here"),
    ],
)
def test_a_name_of_the_author_is_not_taken_by_the_task(inputs, nodes, outputs, message):
    made = {name: {"block": {"kind": "relu"}, "inputs": source} for name, source in nodes.items()}
    spec = composed(made, outputs, {inputs: {"shape": ("batch", 4)}}, task={"kind": "image_classification"})
    with pytest.raises(SpecError, match=message):
        spec.graph()


@pytest.mark.parametrize(
    ("shape", "block"),
    [
        (("batch", 4), {"kind": "relu"}),
        (("batch", 4), {"kind": "dropout", "rate": 0.1}),
        (("batch", 4), {"kind": "dense", "size": 3}),
        (("batch", 6, 6, 1), {"kind": "conv2d", "channels": 3}),
        (("batch", 6, 6, 1), {"kind": "max_pool2d"}),
        (("batch", "sequence", 4), {"kind": "attention", "num_heads": 2}),
        (("batch", "sequence", 4), {"kind": "learned_positions"}),
        (("batch", "sequence", 4), {"kind": "pooler"}),
    ],
)
def test_a_block_that_computes_refuses_integers(shape, block):
    inputs = {"x": {"shape": shape, "dtype": "int32"}}
    with pytest.raises(SpecError, match="float"):
        composed({"y": {"block": block, "inputs": "x"}}, {"y": "y"}, inputs).graph()


@pytest.mark.parametrize(
    ("kind", "port", "shape", "dtype"),
    [
        ("attention", "example_ids", ("batch", "sequence"), "float"),
        ("attention", "positions", ("batch",), "int32"),
        ("learned_positions", "positions", ("batch", "sequence"), "float"),
        ("pooler", "pooled_positions", ("batch",), "int32"),
        ("pooler", "pooled_positions", ("batch", "examples"), "float"),
    ],
)
def test_ids_are_integers_of_the_shape_that_the_block_needs(kind, port, shape, dtype):
    inputs = {"x": {"shape": ("batch", "sequence", 4)}, "ids": {"shape": shape, "dtype": dtype}}
    block = {"kind": kind, "num_heads": 2} if kind == "attention" else {"kind": kind}
    with pytest.raises(SpecError, match=f"needs {port} .* int32"):
        composed({"y": {"block": block, "inputs": {"x": "x", port: "ids"}}}, {"y": "y"}, inputs).graph()


def test_ids_stay_within_the_smallest_table_that_reads_them_also_one_that_is_shared():
    def table(rows):
        return {"kind": "embedding", "rows": rows, "size": 4}

    ids = {"shape": ("batch", "sequence"), "dtype": "int32"}
    nodes = {
        "large": {"block": table(9), "inputs": "input_ids"},
        "small": {"block": table(5), "inputs": "input_ids"},
        "again": {"like": "large", "inputs": "others"},
        "y": {"block": {"kind": "add"}, "inputs": ("large", "small", "again")},
    }
    graph = composed(nodes, {"y": "y"}, {"input_ids": ids, "others": ids}).graph()
    assert graph.table_rows() == {"input_ids": 5, "others": 9}


def test_shrinking_keeps_the_number_of_layers_and_what_is_small_already():
    deep = load_spec("mnist_fc", [f"model.hidden_sizes={[5] * 12}", "model.image_size=[4, 28]"])
    assert shrunk(deep).model.hidden_sizes == (5,) * 12
    assert shrunk(deep).model.image_size == (4, 7)


def test_shrinking_leaves_a_model_that_the_small_sizes_do_not_fit():
    spec = load_spec("bert_tiny", ["model.hidden_size=16", "model.num_heads=8"])
    assert shrunk(spec).model == spec.model
    assert shrunk(spec).data.kind == "generated"


def test_a_table_of_types_that_nothing_is_connected_to_does_not_limit_the_tokens():
    assert load_spec("roberta_base").graph().table_rows() == {"input_ids": 50_265}
