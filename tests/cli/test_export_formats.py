"""Each form that a run is exported in: what it computes or holds, what it says it has not, and who may ask for it."""

from __future__ import annotations

import json
import os
import sys
import tracemalloc
from typing import Literal

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from small_models import assert_same, draw_inputs, in_fresh_process, probe_weights, small_spec
from small_runs import bert_run, mnist_run
from zoo_common.backend import find_backend
from zoo_common.checkpoint import CheckpointStore
from zoo_common.cli.main import application
from zoo_common.export import FileFormat, Trained, Written, export_files, serving_features
from zoo_common.export.files.safetensors import SafetensorsFiles
from zoo_common.training.spec_run import reopen
from zoo_common.weights import Entry, WeightSource
from zoo_spec import load_spec

FEATURES = ["input_ids", "token_type_ids", "example_ids", "masked_positions"]


def run(*arguments):
    return CliRunner().invoke(application(), ["export", *(str(argument) for argument in arguments)])


def export(directory, form, output, *arguments):
    found = run("--run-dir", directory, "--format", form, "--output", output, *arguments, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def live(directory, *inputs):
    opened = reopen(find_backend("torch")(), directory, device="cpu")
    opened.load()
    return [opened.learner.at_work().predict_step(each) for each in inputs]


def saved(directory):
    return CheckpointStore(directory / "checkpoints").latest().weights()


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return bert_run(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def onnx(bert, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx") / "bert"
    return folder, export(bert, "onnx", folder)


def test_onnxruntime_gives_what_the_model_gives_at_any_size_under_its_names(onnx, bert):
    folder, document = onnx
    session = onnxruntime.InferenceSession(document["program"], providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == list(document["inputs"]) == FEATURES
    names = [each.name for each in session.get_outputs()]
    assert names == list(document["outputs"])
    assert session.get_inputs()[0].shape == ["batch", "sequence"]
    graph = load_spec(bert / "spec.yaml").graph()
    for size in (
        {"batch": 1, "sequence": 1, "predictions": 1},
        {"batch": 5, "sequence": 32, "predictions": 9},
    ):
        given = draw_inputs(graph, FEATURES, **size)
        [expected] = live(bert, given)
        found = dict(zip(names, session.run(None, given), strict=True))
        assert_same(found, expected, 1e-5)
        assert all(np.abs(value).max() > 0.05 for value in expected.values())
    assert {path.name for path in folder.iterdir()} == {
        "model.onnx", "signature.json", "spec.yaml", "tokenizer.json"
    }  # fmt: skip


def test_attention_with_a_bias_of_distances_has_an_onnx_form_too(tmp_path):
    import torch

    import zoo_torch
    from zoo_torch.onnx_export import export_onnx

    graph = small_spec("t5_tiny").graph()
    model = zoo_torch.compile(graph)
    zoo_torch.set_weights(model, probe_weights(graph))
    names = serving_features(graph)
    exported = export_onnx(model, graph, tmp_path / "t5.onnx", names)
    given = draw_inputs(graph, names, batch=3, sequence=7)
    with torch.no_grad():
        expected = model(**{name: torch.from_numpy(value) for name, value in given.items()})
    found = onnxruntime.InferenceSession(tmp_path / "t5.onnx").run(list(exported.outputs), given)
    assert_same(
        dict(zip(exported.outputs, found, strict=True)),
        {name: value.numpy() for name, value in expected.items()},
        1e-5,
    )


def test_a_bfloat16_run_is_written_to_compute_in_float32_and_that_is_said(tmp_path):
    directory = mnist_run(tmp_path / "run", "training.precision=bfloat16", steps=1)
    document = export(directory, "onnx", tmp_path / "out")
    assert "bfloat16: it computes in float32" in document["left_out"]
    image = np.random.default_rng(0).random((3, 28, 28, 1)).astype(np.float32)
    [logits] = onnxruntime.InferenceSession(document["program"]).run(None, {"image": image})
    [expected] = live(directory, {"image": image})
    assert logits.dtype == np.float32
    assert_same({"logits": logits}, expected, 0.02)


def test_onnx_without_its_packages_is_one_line_and_status_3(bert, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    found = run("--run-dir", bert, "--format", "onnx", "--output", tmp_path / "out")
    assert (found.exit_code, found.stdout) == (3, "")
    assert "--format onnx needs onnxscript" in found.stderr
    assert "pip install 'dualzoo[onnx]'" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_keras_file_is_the_whole_model_labels_and_loss_too(bert, tmp_path):
    document = export(bert, "keras", tmp_path / "out")
    graph = load_spec(bert / "spec.yaml").graph()
    assert set(document["inputs"]) == set(graph.inputs)
    assert set(document["outputs"]) == set(graph.outputs)
    assert document["left_out"][1:] == ["the blocks' code: `import zoo_tf` before keras.models.load_model"]
    names = [*FEATURES, "masked_ids", "masked_weights", "next_sentence_labels"]
    given = draw_inputs(graph, names, batch=2)
    np.savez(tmp_path / "given.npz", **given)
    code = """
        import sys
        import numpy as np
        import zoo_tf, keras
        model = keras.models.load_model(sys.argv[1])
        given = dict(np.load(sys.argv[2]))
        np.savez(sys.argv[3], **{name: value.numpy() for name, value in model(given).items()})
    """
    in_fresh_process(code, document["program"], tmp_path / "given.npz", tmp_path / "found.npz", loaded="tf")
    opened = reopen(find_backend("torch")(), bert, device="cpu")
    opened.load()
    with np.load(tmp_path / "found.npz") as found:
        assert_same(dict(found), opened.learner.at_work().evaluate_step(given), 1e-5)
        assert "loss" in found
    refused = run(
        "--run-dir", bert, "--format", "keras", "--features", "input_ids", "--output", tmp_path / "x"
    )
    assert refused.exit_code == 2
    assert "leave --features out" in refused.stderr


def test_safetensors_are_the_checkpoint_s_bits_and_import_no_framework(tmp_path):
    directory = mnist_run(tmp_path / "run", "training.precision=float64", steps=1)
    code = """
        import sys
        from zoo_common.cli.main import main
        try:
            main(["export", "--run-dir", sys.argv[1], "--format", "safetensors", "--output", sys.argv[2]])
        except SystemExit as end:
            assert not end.code, end.code
        print(sorted({"torch", "tensorflow", "keras"} & set(sys.modules)))
    """
    told = in_fresh_process(code, directory, tmp_path / "out", loaded="digits").splitlines()
    assert told[-1] == "[]"
    assert told[0].startswith("without  the optimizer")
    found, expected = load_file(tmp_path / "out" / "weights.safetensors"), saved(directory)
    assert set(found) == set(expected)
    for name, value in found.items():
        assert value.dtype == np.float64
        assert np.array_equal(value, expected[name])
    document = json.loads((tmp_path / "out" / "signature.json").read_text(encoding="utf-8"))
    assert (document["kind"], document["framework"]) == ("safetensors", None)
    assert document["files"] == ["weights.safetensors", "spec.yaml"]


class Counted(WeightSource):
    """Tensors that are made when they are read."""

    def __init__(self, entries):
        self.entries = entries

    def read(self, name):
        return np.full(self.entries[name].shape, 1, self.entries[name].dtype)


def test_weights_are_written_with_one_tensor_in_memory(tmp_path):
    spec = load_spec("mnist_fc")
    source = Counted({f"weight.{number}": Entry("float32", (1 << 20,)) for number in range(12)})
    tracemalloc.start()
    export_files(Trained(spec, source, {}, 0), SafetensorsFiles(), tmp_path / "out")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "out" / "weights.safetensors").stat().st_size > 12 << 22
    assert peak < 1.3 * (1 << 22) + (1 << 20)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on a file's size")
def test_a_full_disk_is_status_3_in_every_format_and_leaves_nothing(tmp_path):
    directory = mnist_run(tmp_path / "run", steps=1)
    code = """
        import resource, signal, sys
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        import zoo_tf, zoo_torch
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        from zoo_common.cli.main import main
        for form in ("onnx", "keras", "safetensors"):
            try:
                main(["export", "--run-dir", sys.argv[1], "--format", form, "--output", sys.argv[2]])
            except SystemExit as end:
                print(end.code)
    """
    assert in_fresh_process(code, directory, tmp_path / "out", loaded="torch").split() == ["3"] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give a --format: "),
        (
            ("--format", "saved_model", "--framework", "torch"),
            "saved_model is written by tf alone, and --framework",
        ),
        (("--format", "onnx", "--framework", "tf"), "onnx is written by torch alone"),
        (("--format", "onxx"), "no format 'onxx' (did you mean 'onnx'?); there are: "),
        (("--framework", "jax"), "no framework 'jax'"),
        (("--format", "safetensors", "--features", "input_ids"), "--features input_ids: goes with a program"),
        (("--format", "safetensors", "--output", "weights.safetensors"), "is a directory, into which files"),
    ],
)
def test_what_is_asked_for_wrongly_is_told_before_the_run_is_looked_at(arguments, says):
    found = run("--run-dir", "nowhere", *arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert says in found.stderr


def test_a_format_that_is_registered_by_a_package_is_one_of_them(bert, tmp_path):
    class Names(FileFormat):
        kind: Literal["names_alone"] = "names_alone"

        def needed(self, trained):
            return 0

        def write(self, trained, directory):
            (directory / "names.txt").write_text("\n".join(trained.weights))
            return Written(("names.txt",), ("every value",))

    found = run("--run-dir", bert, "--format", "names_alone", "--output", tmp_path / "out")
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines() == ["without  every value", f"files    {tmp_path / 'out'}"]
    assert (tmp_path / "out" / "names.txt").read_text().splitlines() == list(saved(bert))
    assert "names_alone" in run("--run-dir", bert).stderr


def test_a_framework_that_files_do_not_need_is_said_not_to_be_used(bert, tmp_path):
    found = run(
        "--run-dir", bert, "--format", "safetensors", "--framework", "tf", "--output", tmp_path / "out"
    )
    assert found.exit_code == 0
    assert "safetensors needs no framework; tf is not used" in found.stderr


def test_the_help_names_every_format_that_ships():
    from zoo_common.export.formats import _names

    told = run("--help").stdout
    assert all(name in " ".join(told.split()) for name in _names() if name != "names_alone")
