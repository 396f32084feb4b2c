"""``zoo parity --run-dir``: the weights that a run learned, on its own data, while nothing of the run is changed."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from small_runs import BERT, mnist_run
from zoo_common.backend import find_backend
from zoo_common.checkpoint import CheckpointStore
from zoo_common.cli.main import application
from zoo_common.parity.suite import run_trained_parity
from zoo_common.training.run_directory import RunDirectory
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec

sys.path.insert(0, str(Path(__file__).parent))

from patched_models import MUTATIONS

LEVELS = ["parameters", "forward", "loss", "gradient"]
CAUGHT = (
    "GELU tanh for erf in one layer",
    "epsilon 1e-5 for 1e-12 in one norm",
    "a transposed kernel",
    "a dropped bias",
    "padding and packing ignored",
    "loss weights ignored",
    "an untied head",
)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A small BERT that torch trained on a few documents for 30 steps."""
    folder = tmp_path_factory.mktemp("bert")
    subjects, verbs, places = ("cat", "dog", "bird", "man", "train"), ("sat", "ran", "stood"), ("mat", "door")
    documents = [
        f"The {one} {verb} on the {place}.\nAnother {one} saw it. Then it {verb} no more."
        for one in subjects
        for verb in verbs
        for place in places
    ]
    text = folder / "text.txt"
    text.write_text("\n\n".join(documents), encoding="utf-8")
    training = ("steps=30", "batch_size=8", "optimizer.learning_rate=1e-2", "schedule.warmup_steps=2")
    padded = ("data.short_sequence_probability=0.7", f"data.files=[{text}]")
    spec = load_spec("bert_tiny", [*BERT, *padded, *(f"training.{each}" for each in training)])
    spec_run(find_backend("torch")(), spec, folder / "run", device="cpu", quiet=True).train()
    return folder / "run"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A classifier of digits that TensorFlow trained in bfloat16."""
    folder = tmp_path_factory.mktemp("digits")
    return mnist_run(folder / "run", "training.precision=bfloat16", framework="tf")


@pytest.fixture(scope="module")
def sure(tmp_path_factory):
    """A run that is right about all of its images: in each class its own rows are bright."""
    folder = tmp_path_factory.mktemp("sure")
    labels = np.arange(60, dtype=np.uint8) % 10
    images = np.random.default_rng(0).integers(0, 60, (60, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2] = 255
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        for part in ("train", "t10k"):
            (folder / f"{part}-{name}-ubyte").write_bytes(header + array.tobytes())
    return mnist_run(folder / "run", f"data.directory={folder}", "training.batch_size=20", steps=40)


def changed(run_dir: Path, target: Path, change) -> Path:
    """A copy of a run whose newest checkpoint has other weights."""
    shutil.copytree(run_dir, target)
    store = CheckpointStore(target / "checkpoints")
    saved = store.latest()
    weights = change(saved.weights())
    store.save(saved.step, weights, saved.optimizer(), saved.state, saved.spec_hash)
    return target


def scaled(**factors):
    """A change of weights by factors, each for those whose name begins with its key."""

    def change(weights):
        return {
            name: (value * next((by for key, by in factors.items() if name.startswith(key)), 1)).astype("f4")
            for name, value in weights.items()
        }

    return change


def parity(*arguments):
    return CliRunner().invoke(application(), ["parity", *(str(argument) for argument in arguments)])


def refusal(*arguments) -> str:
    found = parity(*arguments)
    assert (found.exit_code, found.stdout) == (2, ""), found.output
    return found.stderr


def files(folder: Path) -> dict[str, bytes]:
    """All but what is made of the data and kept beside the run, which tells again of files that were young."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in found if path.relative_to(folder).parts[0] != "data"}


def test_a_run_is_judged_while_it_is_trained_and_nothing_of_it_is_changed(bert):
    run = RunDirectory(bert)
    text = run.spec_file.read_text(encoding="utf-8")
    with run.open(spec={}, spec_text=text, versions={}, read_spec=lambda _: {}):
        before = files(bert)
        found = parity("--run-dir", bert, "--batches", 9, "--json")
        assert files(bert) == before
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert (document["spec"], document["passed"]) == ("bert_tiny", True)
    assert (document["run_dir"], document["step"]) == (str(bert), 30)
    assert document["checkpoint"].endswith("step-00000030")
    # So many that some loss differs in float64: one, or three, may be the same to the last bit.
    assert len(document["batches"]) == 9
    assert [row["level"] for row in document["levels"] if row["dtype"] == "float32"] == LEVELS
    assert all(row["value"] > 0 for row in document["levels"] if row["level"] != "parameters")


def test_batches_are_different_examples_of_the_evaluation_data(bert):
    from zoo_common.data import open_dataset
    from zoo_common.parity.trained import open_trained

    trained = open_trained(bert, ("tf", "torch"), 2)
    dataset = open_dataset(trained.spec, bert, "eval")
    first, second = trained.batches.values()
    np.testing.assert_array_equal(first["input_ids"][0], dataset.example(0, 0)["input_ids"])
    assert len(first["input_ids"]) == len(second["input_ids"]) <= 8
    start, rows = len(dataset) // 2, len(second["input_ids"])
    assert list(trained.batches)[1] == f"examples {start} to {start + rows - 1}"
    assert trained.notes == [
        "not tried by these batches: positions is not given, pooled_positions is not given, "
        "next_sentence_weights is not given"
    ]


def test_a_run_in_bfloat16_of_the_other_framework_is_judged_in_bfloat16_too(digits):
    found = parity("--run-dir", digits)
    assert found.exit_code == 0, found.output
    assert "step 60 in " in found.stdout
    assert "examples 0 to 63" in found.stdout
    assert "(72." in found.stdout  # The corners of all digits are blank: their weights have no gradient.
    rows = [line.split()[:3] for line in found.stdout.splitlines()]
    for level in LEVELS:
        assert [level, "bfloat16", "passed"] in rows


@pytest.mark.parametrize(
    "mutation",
    [one for one in MUTATIONS if one.name in CAUGHT],
    ids=lambda one: f"{one.name} ({one.framework})",
)
def test_a_defect_of_one_framework_is_caught_on_trained_weights(mutation, bert):
    def prepare(backend):
        if backend.name == mutation.framework:
            mutation.apply(backend)

    report = run_trained_parity(bert, batches=1, prepare=prepare)
    assert not report.passed
    assert report.levels[-1].dtype == "float64"


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_a_kernel_that_is_transposed_in_loading_is_caught_by_the_first_level(framework, bert):
    """What no comparison of names and shapes can tell: the kernel is square."""

    def prepare(backend):
        keep, name = backend.set_weights, "encoder.layers.0.attention.query.weight"
        if backend.name == framework:
            backend.set_weights = lambda weights: keep({**weights, name: weights[name].T})

    report = run_trained_parity(bert, batches=1, prepare=prepare)
    [only] = report.levels
    assert (only.level, only.passed) == ("parameters", False)
    assert only.worst == f"encoder.layers.0.attention.query.weight ({framework})"


@pytest.mark.parametrize("factor", [1, 5, 20, 300])
def test_a_run_that_has_learned_its_data_is_not_failed_for_a_small_loss(factor, sure, tmp_path):
    """Its loss and gradients are differences of numbers that nearly cancel: a loss of 0.04, 1e-4, 1e-8 and 0."""
    run_dir = changed(sure, tmp_path / "run", scaled(classifier=factor))
    report = run_trained_parity(run_dir)
    assert report.passed, report.as_json()
    told = [note for note in report.notes if note.startswith("loss is at most")]
    assert len(told) == (factor >= 20)
    assert any(note.startswith("no gradient is above") for note in report.notes) == (factor >= 20)


@pytest.mark.parametrize("factor", [1, 5])
def test_a_defect_is_caught_where_the_loss_is_small(factor, sure, tmp_path):
    run_dir = changed(sure, tmp_path / "run", scaled(classifier=factor))

    def prepare(backend):
        if backend.name == "tf":
            gradients = backend.gradients
            backend.gradients = lambda batch: {k: 1.001 * v for k, v in gradients(batch).items()}

    report = run_trained_parity(run_dir, prepare=prepare)
    assert (report.levels[-1].level, report.passed) == ("gradient", False)


def test_units_that_are_off_and_equal_rows_are_told_and_fail_nothing(digits, tmp_path):
    off = changed(digits, tmp_path / "off", lambda weights: {
        **weights, "hidden_0.bias": np.full_like(weights["hidden_0.bias"], -100)
    })  # fmt: skip
    report = run_trained_parity(off, level="loss")
    assert report.passed, report.as_json()
    assert any("logits is the same for all rows" in note for note in report.notes)


def test_a_model_of_zeros_proves_nothing(digits, tmp_path):
    report = run_trained_parity(changed(digits, tmp_path / "zeros", scaled(**{"": 0})))
    assert not report.passed
    assert ["would prove nothing" in row.detail for row in report.levels if not row.passed] == [True]


def test_what_does_not_go_with_a_run_is_refused(bert):
    assert "one of them" in refusal("--run-dir", bert, "--spec", "bert_tiny")
    assert "one of them" in refusal()
    assert "--set, --small goes with --spec" in refusal("--run-dir", bert, "--small", "--set", "a.b=1")
    assert "--steps goes with --spec" in refusal("--run-dir", bert, "--steps", 9)
    assert "--batches goes with --run-dir" in refusal("--spec", "bert_tiny", "--batches", 2)
    for level in ("step", "curve", "checkpoint"):
        assert "parameters, forward, loss, gradient" in refusal("--run-dir", bert, "--level", level)
    assert "no parity level 'forwards'" in refusal("--run-dir", bert, "--level", "forwards")


def test_a_directory_without_a_run_or_a_checkpoint_is_refused(bert, tmp_path):
    assert "is no run directory" in refusal("--run-dir", tmp_path / "nothing")
    shutil.copytree(bert, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    assert "has no checkpoint yet" in refusal("--run-dir", tmp_path / "run")


def test_a_damaged_checkpoint_and_one_with_nan_are_named(digits, tmp_path):
    def broken(weights):
        return {**weights, "hidden_0.bias": np.full_like(weights["hidden_0.bias"], np.nan)}

    assert "hidden_0.bias holds NaN" in refusal("--run-dir", changed(digits, tmp_path / "nan", broken))
    shutil.copytree(digits, tmp_path / "damaged")
    file = tmp_path / "damaged" / "checkpoints" / "step-00000060" / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    said = refusal("--run-dir", tmp_path / "damaged")
    assert str(file) in said
    assert "to go on from step" in said


def test_a_checkpoint_that_is_removed_while_it_is_judged_is_the_one_that_is_judged(
    digits, tmp_path, monkeypatch
):
    shutil.copytree(digits, tmp_path / "run")
    store = CheckpointStore(tmp_path / "run" / "checkpoints")
    newest, latest_weights = store.latest(), CheckpointStore.latest_weights

    def meanwhile(self):
        monkeypatch.setattr(CheckpointStore, "latest_weights", latest_weights)
        for step in (61, 62):  # Of which two stay.
            store.save(step, newest.weights(), newest.optimizer(), {"step": step}, newest.spec_hash)
        return newest

    monkeypatch.setattr(CheckpointStore, "latest_weights", meanwhile)
    report = run_trained_parity(tmp_path / "run", level="parameters")
    assert report.passed
    assert report.source.step == newest.step
    assert not newest.path.exists()


def test_a_spec_that_was_changed_by_hand_is_told_or_refused(digits, tmp_path):
    def edited(name, old, new):
        shutil.copytree(digits, tmp_path / name)
        file = tmp_path / name / "spec.yaml"
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
        return tmp_path / name

    report = run_trained_parity(edited("longer", "steps: 60", "steps: 90"), level="forward")
    assert report.passed
    assert "was changed since this checkpoint was saved" in report.notes[0]
    said = refusal("--run-dir", edited("wider", "[40]", "[41]"))
    assert "hidden_0.weight has the shape [40, 784], the model's has [41, 784]" in said
    assert "spec.yaml" in refusal("--run-dir", edited("broken", "kind: mlp", "kind: mpl"))


def test_a_run_without_a_loss_has_the_levels_up_to_forward(bert, tmp_path):
    """Such a run cannot be trained here, but its weights can be put into a checkpoint."""
    shutil.copytree(bert, tmp_path / "run")
    spec = load_spec(bert / "spec.yaml", ["task={kind: representation}"])
    (tmp_path / "run" / "spec.yaml").write_text(yaml.safe_dump(spec.resolved()), encoding="utf-8")
    run_dir = changed(tmp_path / "run", tmp_path / "backbone", lambda weights: {
        name: value for name, value in weights.items() if name in spec.graph().parameters()
    })  # fmt: skip
    report = run_trained_parity(run_dir)
    assert report.passed, report.as_json()
    assert [row.level for row in report.levels if row.dtype == "float32"] == LEVELS[:2]
    assert any("forward is the last level" in note for note in report.notes)


def test_too_little_memory_is_status_3_before_anything_is_made(digits, monkeypatch):
    monkeypatch.setattr("zoo_common.parity.trained.available_bytes", lambda: 1_000_000)
    found = parity("--run-dir", digits)
    assert (found.exit_code, found.stdout) == (3, "")
    assert "1.00 MB are available" in found.stderr
