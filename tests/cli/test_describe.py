"""``zoo describe``: the numbers, their three forms, and data that is not there."""

import json
from functools import cache

import numpy as np
import pytest
from typer.testing import CliRunner

from zoo_common.cli.main import application
from zoo_common.data import open_dataset
from zoo_common.measured import Choices
from zoo_spec import list_specs, load_spec


def run(*arguments, **environment):
    return CliRunner().invoke(application(), ["describe", *arguments], env=environment)


def as_json(spec, *arguments):
    found = run("--spec", spec, "--json", "--no-data", *arguments)
    assert (found.exit_code, found.stderr) == (0, "")
    return json.loads(found.stdout)


@cache
def graph_of(name):
    return load_spec(name).graph()


def total(blocks, field):
    return sum(block["count"] * block[field] for block in blocks)


@pytest.mark.parametrize("name", list_specs())
def test_json_agrees_with_the_graph(name):
    graph, found = graph_of(name), as_json(name)
    assert found["name"] == name
    assert found["parameters"] == graph.parameter_count
    assert list(found["inputs"]) == list(graph.inputs)
    assert list(found["outputs"]) == list(graph.outputs)
    for tensor, spec in graph.inputs.items():
        assert found["inputs"][tensor]["shape"] == list(spec.shape)
        assert found["inputs"][tensor]["optional"] == spec.optional
        assert found["inputs"][tensor]["label"] == (tensor in graph.labels)
    assert total(found["blocks"], "parameters") == found["parameters"]
    assert total(found["blocks"], "flops") == found["flops"]["forward"] > 0
    kernels = found["kernels"]
    assert total(found["blocks"], "kernels") == kernels["matrix_products"] + kernels["convolutions"]
    assert set(found["bytes"]["training"]) == {"torch", "tf"}
    for parts in found["bytes"]["training"].values():
        assert parts["sum"] == sum(size for part, size in parts.items() if part != "sum")
    held = found["parameters"] + found["statistics"]
    assert found["bytes"]["parameters"]["float32"] == 4 * held
    assert found["bytes"]["parameters"]["bfloat16"] == 2 * held
    assert len(found["loss"]["parts"] if found["loss"] else ()) == len(graph.loss_parts)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("bert_base", 110_106_428),
        ("bert_large", 336_226_108),
        ("mnist_fc", 545_810),
        ("mnist_fc_deep", 62_710),
    ],
)
def test_published_models_have_their_published_sizes(name, parameters):
    assert as_json(name)["parameters"] == parameters


def test_repeated_layers_stand_together_and_their_parts_add_up():
    encoder = next(block for block in as_json("bert_base")["blocks"] if block["name"] == "encoder")
    (layers,) = encoder["blocks"]
    assert (layers["name"], layers["last"], layers["count"]) == ("layers.0", "layers.11", 12)
    assert 12 * layers["parameters"] == encoder["parameters"]
    assert total(layers["blocks"], "parameters") == layers["parameters"]


def test_layers_by_turns_stand_together_each_kind_once():
    found = as_json("gpt3_175b")
    decoder = next(block for block in found["blocks"] if block["name"] == "decoder")
    turns = [
        {key: block[key] for key in ("name", "last", "count", "step")} for block in decoder["blocks"][:2]
    ]
    assert turns == [
        {"name": "layers.0", "last": "layers.94", "count": 48, "step": 2},
        {"name": "layers.1", "last": "layers.95", "count": 48, "step": 2},
    ]
    kinds = [block["blocks"][0]["kind"] for block in decoder["blocks"][:2]]
    assert kinds == ["attention", "banded_attention"]
    printed = run("--spec", "gpt3_175b", "--no-data").stdout
    assert "layers.0, 2 … 94 (48×)" in printed
    assert "layers.2 " not in printed


def test_layers_and_kernels_are_counted():
    found = as_json("bert_base")
    assert found["layers"]["transformer"] == 12
    # In a layer six products of attention and two of feed-forward; then two for masks and one each for
    # pooler and next sentence.
    assert found["kernels"] == {"matrix_products": 12 * 8 + 4, "convolutions": 0}
    assert as_json("two_branch_classifier")["kernels"] == {"matrix_products": 2, "convolutions": 3}
    assert as_json("mnist_fc")["layers"] == {"transformer": 0, "with_weights": {"dense": 3}}


def test_blocks_that_share_weights_are_counted_once(tmp_path):
    file = tmp_path / "shared.yaml"
    file.write_text(
        "model:\n  kind: graph\n  inputs: {image: {shape: [batch, 4, 4, 2]}}\n  nodes:\n"
        "    first: {block: {kind: conv2d, channels: 2}, inputs: image}\n"
        "    again: {like: first, inputs: first}\n  outputs: {features: again}\n"
        "task: {kind: representation}\ndata: {kind: generated}\n",
        encoding="utf-8",
    )
    found = as_json(str(file))
    first, again = found["blocks"]
    assert (again["weights_of"], again["parameters"]) == ("first", 0)
    assert found["parameters"] == first["parameters"]
    assert found["kernels"] == {"matrix_products": 0, "convolutions": 2}
    assert found["loss"] is None


def test_sizes_can_be_given():
    small, large = as_json("bert_base"), as_json("bert_base", "--batch", "16")
    assert {name: each["size"] for name, each in small["dimensions"].items()} == {
        "batch": 8,
        "sequence": 128,
        "predictions": 20,
        "examples": 1,
    }
    assert large["flops"]["forward"] == 2 * small["flops"]["forward"]
    assert large["flops"]["training_step"] == small["flops"]["training_step"]
    longer = as_json("bert_base", "--sequence", "512", "--size", "predictions=80")
    assert longer["dimensions"]["predictions"]["size"] == 80
    one, four = (each["bytes"]["training"]["tf"]["activations"] for each in (small, longer))
    assert four > 4 * one


def test_losses_say_what_is_averaged_over_what():
    loss = as_json("bert_base", "--set", "task.next_sentence_factor=0.5")["loss"]
    assert loss["formula"] == "masked_lm_loss + 0.5 × next_sentence_loss"
    masked, next_sentence = loss["parts"]
    assert "masked_logits against masked_ids, averaged over [batch, predictions] by weight" in masked["words"]
    assert "averaged over [batch] by weight" in next_sentence["words"]
    assert "32 micro-batches" in loss["micro_batches"]


def test_dtypes_follow_the_precision():
    found = as_json("bert_tiny", "--set", "training.precision=float64")
    assert found["inputs"]["masked_weights"]["dtype"] == "float64"
    assert found["inputs"]["input_ids"]["dtype"] == "int32"
    assert found["outputs"]["loss"]["dtype"] == "float64"


def test_a_model_of_175_billion_parameters_is_described():
    sizes = ("num_layers=96", "hidden_size=12288", "num_heads=96", "intermediate_size=49152")
    found = as_json("bert_base", *(part for size in sizes for part in ("--set", f"model.{size}")))
    assert found["parameters"] > 174e9
    assert found["bytes"]["training"]["torch"]["weights"] == 4 * found["parameters"]


@pytest.mark.parametrize("name", ["bert_tiny", "causal_lm", "mnist_fc"])
def test_data_is_opened_and_measured(name):
    found = run("--spec", name, "--json")
    data = json.loads(found.stdout)["data"]
    for split in ("train", "eval"):
        assert data[split]["readable"]
        assert data[split]["samples"] > 0
        assert data[split]["total_bytes"] == data[split]["samples"] * data[split]["bytes_per_sample"]
    assert json.loads(found.stdout)["libraries"]["preprocessing"]


@pytest.mark.parametrize("form", [["--json"], ["--markdown"], []])
def test_data_that_is_missing_is_reported_and_no_failure(form):
    found = run("--spec", "bert_tiny", "--set", "data.files=not_there.txt", *form, COLUMNS="200")
    assert found.exit_code == 0
    assert "not_there.txt: there is no such file" in found.stdout
    if form == ["--json"]:
        assert json.loads(found.stdout)["data"]["train"]["readable"] is False


@pytest.mark.parametrize("columns", ["80", "120", "200"])
@pytest.mark.parametrize("name", list_specs())
def test_terminal_form_fits_the_terminal(name, columns):
    found = run("--spec", name, "--no-data", COLUMNS=columns)
    assert found.exit_code == 0
    assert all(len(line) <= int(columns) for line in found.stdout.splitlines())
    graph = graph_of(name)
    working = [name for name, node in graph.nodes.items() if getattr(node.block, "rate", 1) != 0]
    for shown in [f"{graph.parameter_count:,}", *graph.inputs, *graph.outputs, *working]:
        assert shown in found.stdout
    for title in ("Size", "Inputs", "Outputs", "Loss", "Memory of training", "Libraries"):
        assert f"\n{title}" in found.stdout


def test_markdown_answers_the_questions_of_an_application():
    found = run("--spec", "bert_base", "--markdown").stdout
    for question in (
        "What is the model?",
        "How many parameters?",
        "How much memory does training take?",
        "Which data?",
        "Which software?",
    ):
        assert f"\n## {question}\n" in found
    assert "110,106,428 trainable parameters" in found
    assert "`layers.0 … layers.11 (12×)`" in found
    tables = [line for line in found.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_layers_that_read_a_memory_count_as_transformer_layers():
    assert as_json("t5_tiny")["layers"]["transformer"] == 4
    assert as_json("transformer_tiny")["layers"]["transformer"] == 4


def test_a_waveform_is_as_long_as_the_data_make_it():
    assert as_json("hubert_base")["dimensions"]["samples"]["size"] == 16_000


def test_what_of_the_batches_is_real_is_said_from_the_datas_own_lengths():
    def found(*overrides):
        done = run("--spec", "bert_tiny_ner", "--json", *overrides)
        assert (done.exit_code, done.stderr) == (0, "")
        return json.loads(done.stdout)["data"]["train"]["real_shares"]

    examples = open_dataset(load_spec("bert_tiny_ner"), None, "train")
    lengths = np.asarray([len(examples.example(0, index)["input_ids"]) for index in range(len(examples))])
    halves = np.where(lengths <= 20, 20, 48)
    bounds = ("--set", "data.batching.kind=bucketed", "--set", "data.batching.bounds=[20,48]")
    assert found()["padded"] == pytest.approx(lengths.mean() / 48, rel=0.01)
    assert found(*bounds)["bucketed"] == pytest.approx(lengths.sum() / halves.sum(), rel=0.01)
    assert found()["bucketed"] > 0.9


def test_memory_and_flops_are_those_of_the_largest_bucket():
    def found(*overrides):
        return as_json(
            "bert_tiny", "--set", "data.batching.kind=bucketed", *(f"--set={each}" for each in overrides)
        )

    whole = found()
    short = found("data.batching.bounds=[32,64]")
    budget = found("data.batching.bounds=[32,64]", "data.batching.tokens=640")
    assert short["dimensions"]["sequence"]["size"] == 64 < whole["dimensions"]["sequence"]["size"]
    assert short["flops"]["training_step"] < whole["flops"]["training_step"]
    assert budget["dimensions"]["batch"]["size"] == 10
    assert budget["training"]["batch_size"] == 10


def test_what_was_measured_of_a_framework_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("ZOO_CHOICES", "measured")
    rounds = {"open": [0.004] * 3, "fused": [0.002] * 3}
    Choices("torch", {"torch": "2.0"}, 1).take("attention of 64 tokens", "open", lambda: rounds)
    given = ("--spec", "bert_tiny", "--no-data", "--framework", "torch")
    found = run(*given, COLUMNS="120").stdout
    assert "Measured on this processor, torch 2.0, 1 thread" in found
    assert "attention of 64 tokens  fused (open 4.00 ms, fused 2.00 ms)" in found
    (answers,) = json.loads(run(*given, "--json").stdout)["choices"].values()
    assert answers["attention of 64 tokens"]["way"] == "fused"
    assert "Measured" not in run(*given[:3], COLUMNS="120").stdout
