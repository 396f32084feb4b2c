"""``zoo export``: what is written, that it needs nothing of ours, and that it computes what the model does."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import torch
from typer.testing import CliRunner

import launch
from small_models import assert_same, draw_inputs, in_fresh_process
from small_runs import bert_run, mnist_run
from zoo_common.backend import find_backend
from zoo_common.cli.main import application
from zoo_common.training.spec_run import reopen
from zoo_spec import load_spec

FRAMEWORKS = ("torch", "tf")
PAGE = Path(__file__).parents[2] / "docs" / "serving.md"

BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("zoo_spec", "zoo_common", "zoo_torch", "zoo_tf"):
            raise ImportError(f"{name} is not installed here")
sys.meta_path.insert(0, Blocked())
"""
"""Makes a process where nothing of ours can be imported."""

SERVE = """
from pathlib import Path
import numpy as np
for given in Path(sys.argv[2]).glob("*.inputs.npz"):
    folder = Path(sys.argv[2]) / given.name.split(".")[0]
    inputs = dict(np.load(given))
    if sys.argv[1] == "torch":
        import torch
        model = torch.export.load(folder / "model.pt2").module()
        with torch.no_grad():
            found = model(**{name: torch.from_numpy(value) for name, value in reversed(inputs.items())})
        found = {name: value.numpy() for name, value in found.items()}
    else:
        import tensorflow as tf
        loaded = tf.saved_model.load(str(folder))
        serve = loaded.signatures["serving_default"]
        found = serve(**{name: tf.constant(value) for name, value in inputs.items()})
    np.savez(str(given).replace("inputs", "outputs"), **found)
"""


def run(*arguments):
    return CliRunner().invoke(application(), ["export", *(str(argument) for argument in arguments)])


def export(framework, directory, output, *arguments):
    found = run("--framework", framework, "--run-dir", directory, "--output", output, *arguments, "--json")
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert json.loads((output / "signature.json").read_text(encoding="utf-8")) == {
        **{key: value for key, value in document.items() if key != "output"},
        "program": "model.pt2" if framework == "torch" else ".",
    }
    return document


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return bert_run(tmp_path_factory.mktemp("bert"), framework="tf")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return mnist_run(tmp_path_factory.mktemp("mnist") / "run", "training.precision=float64", steps=2)


def cases(bert, digits):
    """Name, run, arguments of its export, and what the export is called with."""
    graph = load_spec(bert / "spec.yaml").graph()
    everything = ["input_ids", "token_type_ids", "example_ids", "masked_positions"]
    some = ["input_ids", "example_ids"]
    smallest = draw_inputs(graph, everything, batch=1, sequence=1, predictions=1)
    largest = draw_inputs(graph, everything, batch=5, sequence=32, predictions=9)
    return [
        ("bert", bert, (), [smallest, largest]),
        ("some", bert, ("--features", "example_ids,input_ids"), [draw_inputs(graph, some, batch=2)]),
        ("digits", digits, (), [{"image": np.random.default_rng(0).random((3, 28, 28, 1))}]),
    ]


@pytest.fixture(scope="module")
def exported(bert, digits, tmp_path_factory):
    """Two runs, one of each framework, exported for each, and called in processes without our packages."""
    found = {}
    for framework in FRAMEWORKS:
        folder = tmp_path_factory.mktemp(framework)
        for name, directory, arguments, inputs in cases(bert, digits):
            document = export(framework, directory, folder / name, *arguments)
            found[framework, name] = (folder / name, document)
            for number, given in enumerate(inputs):
                np.savez(folder / f"{name}.{number}.inputs.npz", **given)
        in_fresh_process(BLOCK + SERVE, framework, folder, loaded=framework)
    return found


def served(exported, framework, name, number):
    folder, _ = exported[framework, name]
    with np.load(folder.parent / f"{name}.{number}.outputs.npz") as found:
        return dict(found)


def live(framework, directory, *inputs):
    """What the run's own model gives."""
    opened = reopen(find_backend(framework)(), directory, device="cpu")
    opened.load()
    return [opened.learner.at_work().predict_step(each) for each in inputs]


@pytest.mark.parametrize(
    ("name", "limit", "apart"), [("bert", 2e-6, 1e-5), ("some", 2e-6, 1e-5), ("digits", 1e-13, 1e-13)]
)
def test_both_exports_give_what_both_models_give_at_any_size(exported, bert, digits, name, limit, apart):
    [(_, directory, _, inputs)] = [case for case in cases(bert, digits) if case[0] == name]
    for framework, other in (FRAMEWORKS, FRAMEWORKS[::-1]):
        for number, expected in enumerate(live(framework, directory, *inputs)):
            assert_same(served(exported, framework, name, number), expected, limit)
            assert_same(served(exported, other, name, number), expected, apart)
            assert all(np.abs(value).max() > 0.05 for value in expected.values())


def test_the_outputs_of_an_export_answer_to_its_inputs(exported):
    first, second = (served(exported, "torch", "bert", number) for number in (0, 1))
    assert np.abs(first["pooled"][0] - second["pooled"][0]).max() > 0.1


def test_the_signature_says_what_the_program_takes_and_gives(exported, bert):
    (_, ours), (_, theirs) = (exported[framework, "bert"] for framework in FRAMEWORKS)
    own = ("framework", "kind", "program", "output", "versions")
    assert {key: value for key, value in ours.items() if key not in own} == {
        key: value for key, value in theirs.items() if key not in own
    }
    assert list(ours["inputs"]) == ["input_ids", "token_type_ids", "example_ids", "masked_positions"]
    assert ours["inputs"]["input_ids"] == {
        "shape": ["batch", "sequence"], "dtype": "int32", "description": "tokens",
    }  # fmt: skip
    assert ours["outputs"]["masked_logits"] == {"shape": ["batch", "predictions", 120], "dtype": "float32"}
    assert ours["sizes"]["sequence"] == {"minimum": 1, "maximum": 32}
    assert (ours["spec"], ours["task"], ours["step"]) == ("bert_tiny", "masked_lm_next_sentence", 1)
    assert set(ours["versions"]) == {"dualzoo", "torch"}
    for framework in FRAMEWORKS:
        folder, document = exported[framework, "bert"]
        assert set(document["files"]) == {"spec.yaml", "tokenizer.json"}
        for name in document["files"]:
            assert (folder / name).read_bytes() == (bert / name).read_bytes()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_chosen_features_leave_out_what_depends_on_the_others(exported, framework):
    _, document = exported[framework, "some"]
    assert list(document["inputs"]) == ["input_ids", "example_ids"]
    assert list(document["outputs"]) == ["hidden_states", "pooled", "next_sentence_logits"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_image_classifier_in_float64_is_exported_as_it_is(exported, framework):
    _, document = exported[framework, "digits"]
    assert document["preprocessing"] == {"highest": 1.0, "mean": 0.0, "std": 1.0}
    image = {
        "shape": ["batch", 28, 28, 1],
        "dtype": "float64",
        "description": "pixels, as the data scale them",
    }
    assert document["inputs"] == {"image": image}
    assert document["outputs"] == {"logits": {"shape": ["batch", 10], "dtype": "float64"}}
    assert document["files"] == ["spec.yaml"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_bfloat16_run_is_exported_in_bfloat16_and_takes_float32(framework, tmp_path):
    directory = mnist_run(tmp_path / "run", "training.precision=bfloat16", steps=1)
    document = export(framework, directory, tmp_path / "out")
    assert document["inputs"]["image"]["dtype"] == "float32"
    assert document["outputs"]["logits"]["dtype"] == "bfloat16"
    image = np.random.default_rng(0).random((3, 28, 28, 1)).astype(np.float32)
    if framework == "torch":
        model = torch.export.load(tmp_path / "out" / "model.pt2").module()
        logits = model(image=torch.from_numpy(image))["logits"]
        found = logits.detach().float().numpy()
        assert logits.dtype == torch.bfloat16
    else:
        served = tf.saved_model.load(str(tmp_path / "out")).signatures["serving_default"]
        logits = served(image=tf.constant(image))["logits"]
        found = tf.cast(logits, tf.float32).numpy()
        assert logits.dtype == tf.bfloat16
    [expected] = live("torch", directory, {"image": image})
    assert_same({"logits": found}, expected, 0.02)  # bfloat16 keeps 8 bits, 0.004.


def test_the_page_on_serving_is_right(exported, bert, tmp_path):
    """Its code, as it stands there, gives the words that ``zoo predict`` gives."""
    command = ["predict", "--framework", "tf", "--run-dir", str(bert), "--device", "cpu"]
    answer = CliRunner().invoke(application(), [*command, "The [MASK] sat on the mat."])
    expected = [(row["word"], row["probability"]) for row in json.loads(answer.stdout)["masks"][0]]
    page = PAGE.read_text(encoding="utf-8")
    pieces = dict(re.findall(r"<!-- run: (\w+) -->\n```python\n(.*?)```", page, re.DOTALL))
    assert set(pieces) == set(FRAMEWORKS)
    for framework, code in pieces.items():
        shutil.copytree(exported[framework, "bert"][0], tmp_path / "exports" / f"bert_tiny-{framework}")
        done = launch.python("-c", BLOCK + code, cwd=tmp_path, loaded=framework)
        assert done.returncode == 0, done.stderr[-3000:]
        found = [line.split() for line in done.stdout.splitlines()]
        assert [word for word, _ in found] == [word for word, _ in expected]
        np.testing.assert_allclose(
            [float(value) for _, value in found], [value for _, value in expected], atol=1e-5
        )


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_export_goes_into_the_run_directory_and_is_replaced_only_when_told(framework, bert):
    found = run("--framework", framework, "--run-dir", bert)
    output = bert / "exports" / f"{framework}-step-00000001"
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines()[-1].startswith(f"program  {output}")
    (output / "signature.json").write_text("{}")
    again = run("--framework", framework, "--run-dir", bert)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "--overwrite" in again.stderr
    assert (output / "signature.json").read_text() == "{}"
    assert run("--framework", framework, "--run-dir", bert, "--overwrite").exit_code == 0
    assert json.loads((output / "signature.json").read_text())["step"] == 1
    assert all(not entry.name.startswith(".") for entry in output.parent.iterdir())


def test_what_is_no_export_is_never_replaced(bert, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("a year's work")
    (tmp_path / "file").write_text("too")
    for name, says in (("mine", "holds no export but thesis.txt"), ("file", "is not a directory")):
        output = ("--output", tmp_path / name, "--overwrite")
        found = run("--framework", "torch", "--run-dir", bert, *output)
        assert (found.exit_code, found.stdout) == (2, "")
        assert says in found.stderr
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "a year's work"
    (tmp_path / "empty").mkdir()
    assert run("--framework", "torch", "--run-dir", bert, "--output", tmp_path / "empty").exit_code == 0


def test_wrong_features_are_all_named_before_anything_is_computed(bert, tmp_path):
    wanted = "token_type_id,masked_ids,positions"
    found = run("--framework", "torch", "--run-dir", bert, "--output", tmp_path / "out", "--features", wanted)
    assert (found.exit_code, found.stdout) == (2, "")
    assert "there is no 'token_type_id' (did you mean 'token_type_ids'?)" in found.stderr
    assert "'masked_ids' is a label" in found.stderr
    assert "'input_ids' is left out, and required" in found.stderr
    assert not (tmp_path / "out").exists()


def test_an_output_that_names_the_program_itself_is_told_that_it_is_a_directory(bert, tmp_path):
    found = run("--framework", "torch", "--run-dir", bert, "--output", tmp_path / "bert.pt2")
    assert found.exit_code == 2
    assert f"give its name, such as {tmp_path / 'bert'}" in found.stderr


def test_a_run_without_a_checkpoint_has_nothing_to_export(bert, tmp_path):
    shutil.copytree(bert, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    found = run("--framework", "torch", "--run-dir", tmp_path / "run", "--output", tmp_path / "out")
    assert found.exit_code == 2
    assert "has no checkpoint" in found.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on a file's size")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_full_disk_is_status_3_and_leaves_nothing(framework, bert, tmp_path):
    # The largest file that the process may write is smaller than the program.
    code = """
        import resource, signal, sys
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        from zoo_common.backend import find_backend
        find_backend(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        from zoo_common.cli.main import main
        try:
            main(["export", "--framework", sys.argv[1], "--run-dir", sys.argv[2], "--output", sys.argv[3]])
        except SystemExit as end:
            print(end.code)
    """
    output = tmp_path / "out"
    assert in_fresh_process(code, framework, bert, output, loaded=framework).split() == ["3"]
    assert list(tmp_path.iterdir()) == []


def test_a_disk_with_too_little_room_is_told_before_anything_is_written(bert, tmp_path, monkeypatch):
    monkeypatch.setattr("zoo_common.export.folder.free_bytes", lambda path: 1000)
    found = run("--framework", "torch", "--run-dir", bert, "--output", tmp_path / "out")
    assert found.exit_code == 3
    assert "needed, 1,000 bytes free" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_status_3(bert, tmp_path, monkeypatch):
    def refuse(path, *rest, **more):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    found = run("--framework", "torch", "--run-dir", bert, "--output", tmp_path / "folder" / "out")
    assert found.exit_code == 3
    assert "make it accessible to this user" in found.stderr


def test_a_write_that_fails_keeps_the_export_from_before(bert, tmp_path, monkeypatch):
    output = tmp_path / "out"
    export("torch", bert, output)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    monkeypatch.setattr(
        "zoo_common.export.folder.fsync_directory", lambda path: (_ for _ in ()).throw(OSError(28, "full"))
    )
    found = run("--framework", "torch", "--run-dir", bert, "--output", output, "--overwrite")
    assert found.exit_code == 3
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
