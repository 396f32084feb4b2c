"""A run knows by which specs and on what it was trained, and takes no checkpoint, file or weight of another."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from zoo_common.backend import State
from zoo_common.checkpoint import CheckpointStore
from zoo_common.data import file_marks as sources_module
from zoo_common.data.file_marks import marked, sources, vocabulary_sources
from zoo_common.training.origin import Beginning, Claim, Origin, TrainedOn, require_data, require_files
from zoo_common.training.run_directory import RunDirectory
from zoo_common.training.taking_over import finite, require_fit, require_origin
from zoo_common.training.warm_start import warm_started
from zoo_common.weights import Arrays
from zoo_spec import load_spec
from zoo_spec.data import ImageData, TextData
from zoo_spec.errors import EnvironmentFault, InputError

SPEC = {
    "name": "tiny",
    "training": {
        "steps": 100,
        "batch_size": 8,
        "optimizer": {"kind": "sgd", "learning_rate": 30.0, "momentum": 0.0},
        "schedule": {"kind": "constant"},
    },
}
RATE = "training.optimizer.learning_rate: 30.0 in the run, 0.1 now"


def changed(**fields) -> dict:
    spec = json.loads(json.dumps(SPEC))
    for path, value in fields.items():
        part = spec["training"]
        *sections, key = path.split("__")
        for section in sections:
            part = part[section]
        part[key] = value
    return spec


def drawn(known):
    return TrainedOn(kind="spec")


def open_run(
    path: Path,
    spec=SPEC,
    *,
    feed=drawn,
    accept=(),
    begins_with=None,
    spec_hash="a",
    hash_of_those=lambda: None,
) -> RunDirectory:
    return RunDirectory(path).open(
        spec=spec,
        spec_text=json.dumps(spec),
        versions={},
        read_spec=lambda file: json.loads(file.read_text()),
        claim=Claim(spec_hash, feed, accept, begins_with, hash_of_those),
    )


def save(run: RunDirectory, step: int) -> None:
    CheckpointStore(run.checkpoints).save(step, {}, {}, {"step": step}, "a")


def test_another_rate_is_refused_with_the_option_that_means_it(tmp_path):
    with open_run(tmp_path / "run") as run:
        save(run, 10)
    before = run.versions_file.read_bytes()
    lower = changed(optimizer__learning_rate=0.1)
    with pytest.raises(InputError, match=r"trained otherwise up to its step 10.*--accept training") as error:
        open_run(run.path, lower, spec_hash="b")
    assert str(error.value).splitlines()[1:] == [f"  {RATE}"]
    assert run.versions_file.read_bytes() == before
    open_run(run.path, lower, spec_hash="b", accept=["training"]).close()
    origin = Origin.read(run.path)
    assert origin.spec_hashes == ("a", "b")
    assert [(change.step, change.what) for change in origin.changes] == [(10, (RATE,))]
    open_run(run.path, lower, spec_hash="b").close()  # From now on it is the run's own.


def test_after_a_divergence_the_rate_may_change_until_the_run_is_past_it(tmp_path):
    with open_run(tmp_path / "run") as run:
        save(run, 10)
        run.note_divergence(13)
    for rate in (0.1, 0.01):  # The first did not help either.
        open_run(run.path, changed(optimizer__learning_rate=rate)).close()
    with open_run(run.path, changed(optimizer__learning_rate=0.01)) as run:
        save(run, 13)
    with pytest.raises(InputError, match="--accept training"):
        open_run(run.path, changed(optimizer__learning_rate=0.001))


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer__kind": "adamw"},
        {"optimizer__momentum": 0.9},
        {"batch_size": 16, "optimizer__learning_rate": 0.1},
        {"seed": 1},
    ],
)
def test_what_is_more_than_how_to_go_on_is_never_accepted(tmp_path, fields):
    with open_run(tmp_path / "run") as run:
        run.note_divergence(1)
    with pytest.raises(InputError, match="holds a run of another spec") as error:
        open_run(run.path, changed(**fields), accept=["training", "data"])
    assert len(str(error.value).splitlines()) == 1 + len(fields)


@pytest.mark.parametrize(
    "fields", [{"steps": 50}, {"schedule": {"kind": "linear", "warmup": 3}}, {"micro_batch_size": 4}]
)
def test_how_to_go_on_may_be_accepted(tmp_path, fields):
    open_run(tmp_path / "run").close()
    with pytest.raises(InputError, match="--accept training"):
        open_run(tmp_path / "run", changed(**fields))
    open_run(tmp_path / "run", changed(**fields), accept=["training"]).close()


def test_only_what_can_be_accepted_is(tmp_path):
    for wrong in (["seed"], "data"):
        with pytest.raises(InputError, match="a list of training, data"):
            Claim("a", drawn, wrong)


def text(folder: Path, **fields) -> TextData:
    files = {name: folder / f"{name}.txt" for name in ("text", "held", "words", "phrases")}
    for name, file in files.items():
        if not file.exists():
            file.write_text(name)
    given = {"files": [str(files["text"])], "evaluation_files": [str(files["held"])], **fields}
    return TextData(vocabulary=str(files["words"]), phrases=str(files["phrases"]), masking="phrases", **given)


def fed(data):
    return lambda known: TrainedOn.of("spec", sources(data), known)


@pytest.mark.parametrize(
    ("name", "field"),
    [("text", r"data\.files\[0\]"), ("words", r"data\.vocabulary"), ("phrases", r"data\.phrases")],
)
def test_a_file_of_other_content_is_refused_by_its_name_and_accepted_where_that_is_meant(
    tmp_path, name, field
):
    feed, path = fed(text(tmp_path)), tmp_path / "run"
    with open_run(path, feed=feed) as run:
        save(run, 10)
    (tmp_path / f"{name}.txt").touch()  # Another time, the same content.
    open_run(path, feed=feed).close()
    (tmp_path / f"{name}.txt").write_text(name[::-1])  # The same size.
    said = rf"trained on other data.*--accept data(?s:.*){field} \({tmp_path}/{name}\.txt\): had .* bytes, SHA-256"
    with pytest.raises(InputError, match=said):
        open_run(path, feed=feed)
    with pytest.raises(InputError, match=said):
        require_data(path, feed, ())
    require_data(path, feed, ["data"])
    open_run(path, feed=feed, accept=["data"]).close()
    (change,) = Origin.read(path).changes
    assert change.step == 10
    open_run(path, feed=feed).close()


def test_another_file_to_evaluate_on_is_told_and_no_more(tmp_path, caplog):
    feed, path = fed(text(tmp_path)), tmp_path / "run"
    open_run(path, feed=feed).close()
    (tmp_path / "held.txt").write_text("other")
    require_data(path, feed, ())
    open_run(path, feed=feed).close()
    assert [("evaluation_files[0]" in record.message) for record in caplog.records] == [True, True]
    caplog.clear()
    require_data(path, feed, ())
    assert not caplog.records


def test_a_file_of_images_or_labels_of_other_content_is_refused_and_the_held_out_ones_are_told(
    tmp_path, caplog
):
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte").write_text(name)
    feed, path = fed(ImageData(directory=str(tmp_path))), tmp_path / "run"
    open_run(path, feed=feed).close()
    assert len(Origin.read(path).feed.files) == 4
    (tmp_path / "t10k-labels-idx1-ubyte").write_text("other")
    require_data(path, feed, ())
    assert "evaluation_labels" in caplog.text
    (tmp_path / "train-labels-idx1-ubyte").write_text("other")
    with pytest.raises(InputError, match=r"train_labels \(.*/train-labels-idx1-ubyte\): had 17 bytes"):
        require_data(path, feed, ())


def test_files_that_were_moved_are_the_same(tmp_path):
    (tmp_path / "a").mkdir()
    open_run(tmp_path / "run", feed=fed(text(tmp_path / "a"))).close()
    (tmp_path / "a").rename(tmp_path / "b")
    open_run(tmp_path / "run", feed=fed(text(tmp_path / "b"))).close()


def test_a_file_is_hashed_once_while_size_and_time_stay(tmp_path, monkeypatch):
    data, count = text(tmp_path), []

    def counted(file, real=sources_module.sha256_of):
        count.append(file)
        return real(file)

    monkeypatch.setattr(sources_module, "sha256_of", counted)
    first = list(marked(sources(data)))
    assert len(count) == 4
    list(marked(sources(data), first))
    assert len(count) == 8  # All so young that a change might not show in their time.
    for name in ("text", "held", "words", "phrases"):
        os.utime(tmp_path / f"{name}.txt", (10**9, 10**9))
    second = list(marked(sources(data), first))
    assert list(marked(sources(data), second)) == second
    assert len(count) == 12


@pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFO in a directory")
def test_what_is_no_file_is_left_to_its_reader(tmp_path):
    data = text(tmp_path, files=[str(tmp_path / "pipe"), "/dev/zero", str(tmp_path / "none")])
    os.mkfifo(tmp_path / "pipe")
    assert {mark.field for mark in marked(sources(data))} == {
        "data.evaluation_files[0]",
        "data.vocabulary",
        "data.phrases",
    }


def test_what_comes_with_a_package_is_a_file_too(tmp_path):
    for data in (TextData(), ImageData()):
        (mark,) = marked(sources(data))
        assert mark.size > 50_000
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "merges.txt").write_text("a b")
    found = marked(vocabulary_sources(TextData(vocabulary=str(tmp_path / "vocab.json"))))
    assert [Path(mark.path).name for mark in found] == ["vocab.json", "merges.txt"]


def test_batches_of_a_program_are_other_data_than_the_specs(tmp_path):
    def own(known):
        return TrainedOn.of("input_fn", vocabulary_sources(text(tmp_path)), known)

    for name, one, other in (("own", own, drawn), ("spec", drawn, own)):
        open_run(tmp_path / name, feed=one).close()
        with pytest.raises(InputError, match=r"input_fn.*now|now.*input_fn|input_fn\) in the run"):
            open_run(tmp_path / name, feed=other)
        with pytest.raises(InputError, match="--accept data"):
            require_data(tmp_path / name, other, ())
    (tmp_path / "words.txt").write_text("other")
    with pytest.raises(InputError, match=r"data\.vocabulary"):
        require_files(tmp_path / "own", vocabulary_sources(text(tmp_path)), ())
    require_files(tmp_path / "own", vocabulary_sources(text(tmp_path)), ["data"])
    with pytest.raises(InputError, match=r"data\.vocabulary"):
        open_run(tmp_path / "own", feed=own)


def test_a_run_of_before_there_was_a_record_goes_on(tmp_path):
    with open_run(tmp_path / "run", spec_hash="of another Zoo") as run:
        CheckpointStore(run.checkpoints).save(10, {}, {}, {"step": 10}, "of another Zoo")
    record = json.loads(run.versions_file.read_text())
    del record["origin"]
    run.versions_file.write_text(json.dumps(record))
    require_data(run.path, drawn, ())
    open_run(run.path, spec_hash="new", begins_with="/somewhere").close()
    assert Origin.read(run.path).spec_hashes == ("of another Zoo", "new")


def test_rates_of_parts_may_be_accepted_and_what_is_frozen_may_not(tmp_path):
    with open_run(tmp_path / "run", changed(freeze=["a"], layer_decay=None)) as run:
        save(run, 5)
    rates = changed(freeze=["a"], layer_decay=0.9, rate_multipliers={"*.bias": 2.0})
    with pytest.raises(
        InputError, match=r"--accept training[\s\S]*training\.layer_decay: null in the run, 0\.9 now"
    ):
        open_run(tmp_path / "run", rates)
    open_run(tmp_path / "run", rates, accept=["training"]).close()
    with pytest.raises(
        InputError, match=r'holds a run of another spec[\s\S]*freeze\[0\]: "a" in the run, "b" now'
    ):
        open_run(tmp_path / "run", {**rates, "training": {**rates["training"], "freeze": ["b"]}})


def test_the_same_weights_under_another_path_are_the_same_beginning(tmp_path):
    with open_run(tmp_path / "run", begins_with="/a") as run:
        run.note_beginning(Beginning(source="/a", path="/a", step=3, sha256="f" * 64))
        save(run, 5)
    open_run(run.path, begins_with="/b", hash_of_those=lambda: "f" * 64).close()
    with pytest.raises(InputError, match=r"training\.initialize_from: null"):
        open_run(run.path, begins_with="/b", hash_of_those=lambda: "0" * 64)


def test_a_damaged_record_is_named(tmp_path):
    open_run(tmp_path / "run").close()
    file = tmp_path / "run" / "versions.json"
    record = json.loads(file.read_text())
    for harm in ({"spec_hashes": 1}, {"diverged_at": 0}, {"feed": {"kind": "\x1b[31m"}}, {"more": 1}):
        file.write_text(json.dumps({**record, "origin": {**record["origin"], **harm}}))
        with pytest.raises(InputError, match=rf"versions\.json: origin\.{next(iter(harm))}") as error:
            open_run(tmp_path / "run")
        assert "\x1b" not in str(error.value)


def test_weights_that_a_run_began_with_are_not_changed_under_it(tmp_path):
    with open_run(tmp_path / "run", begins_with="/a") as run:
        weights = {"w": np.ones(2, np.float32)}
        source = CheckpointStore(tmp_path / "checkpoints")
        source.save(3, weights, {}, {"step": 3}, "x")
        own = Arrays({"w": np.zeros(2, np.float32)})
        with warm_started(own, tmp_path / "checkpoints" / "step-00000003") as (begun, beginning):
            np.testing.assert_array_equal(begun.read("w"), weights["w"])
        run.note_beginning(beginning.model_copy(update={"source": "/a"}))
        save(run, 5)
    for going_on in ("/a", None):
        open_run(run.path, begins_with=going_on).close()
    with pytest.raises(InputError, match=r"has 5 steps already, and began with the weights of .*step 3"):
        open_run(run.path, begins_with="/b")
    with open_run(tmp_path / "other") as run:
        save(run, 5)
    with pytest.raises(InputError, match="began with its initial values, not with those of /b"):
        open_run(run.path, begins_with="/b")


def test_weights_with_nan_begin_no_run(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints")
    store.save(3, {"w": np.array([1, np.nan], np.float32)}, {}, {}, "x")
    with (
        warm_started(Arrays({"w": np.zeros(2, np.float32)}), tmp_path) as (begun, _),
        pytest.raises(InputError, match="w holds NaN or infinity"),
    ):
        begun.read("w")


# A checkpoint of something else in a run's directory.

TINY = load_spec("mnist_fc", ["model.hidden_sizes=[4]", "model.image_size=[4, 4]", "data.kind=generated"])
GRAPH = TINY.graph()
RIGHT = {"step": 2, "framework": "torch", "random": {"seed": 0, "generator": "native"}}


def weights(dtype="f4", **others):
    found = {name: np.ones(each.shape, dtype) for name, each in GRAPH.parameters().items()}
    return {**found, **others}


def taken(run: Path, arrays=None, state=RIGHT, spec_hash=None, moments=None):
    """What a run of TINY takes over of a checkpoint with this content."""
    if not run.exists():
        with open_run(run, spec_hash=TINY.fingerprint()):
            pass
    store = CheckpointStore(run / "checkpoints")
    store.save(
        2, weights() if arrays is None else arrays, moments or {}, state, spec_hash or TINY.fingerprint()
    )
    found = store.latest()
    training = TINY.training
    require_origin(found, run, spec_hash=TINY.fingerprint(), seed=training.seed, generator=training.random)
    require_fit(found, GRAPH, training, run)
    return State(dict(finite(found.weights(), found)), dict(finite(found.optimizer(), found)), found.step)


def test_a_runs_own_checkpoint_is_taken(tmp_path):
    assert taken(tmp_path / "run").step == 2


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({**RIGHT, "step": 99}, "step is 99 in its state.json, and 2 is right"),
        ({**RIGHT, "step": -1}, "step is -1"),
        ({**RIGHT, "step": True}, "step is True"),
        ({}, "step is None .* random.seed is None"),
        (
            {**RIGHT, "random": {"seed": 1, "generator": "native"}},
            "random.seed is 1 in its state.json, and 0 is",
        ),
        ({**RIGHT, "random": {"seed": 0, "generator": "portable"}}, "random.generator is 'portable'"),
        ({**RIGHT, "random": [0]}, "random.seed is None"),
    ],
)
def test_a_checkpoint_of_another_seed_step_or_generator_is_refused(tmp_path, state, says):
    with pytest.raises(InputError, match=f"is not of this run: {says}"):
        taken(tmp_path / "run", state=state)


def test_a_checkpoint_of_another_spec_is_refused_and_one_of_before_is_not(tmp_path):
    with pytest.raises(InputError, match=r"trained by a spec of hash 0000.*and this run by "):
        taken(tmp_path / "run", spec_hash="0" * 64)
    shutil.rmtree(tmp_path / "run")
    with open_run(tmp_path / "run", spec_hash="0" * 64), pytest.raises(InputError, match="by 000"):
        taken(tmp_path / "run", spec_hash="1" * 64)
    assert taken(tmp_path / "run", spec_hash="0" * 64).step == 2


@pytest.mark.parametrize(
    ("arrays", "moments", "says"),
    [
        (weights("f8"), {}, "is float64, and with training.precision float32 it is float32"),
        (weights("f2"), {}, "is float16"),
        (weights(more=np.ones(1, "f4")), {}, "more is not in the model"),
        ({}, {}, "is not in the checkpoint"),
        (weights(**{"hidden_0.bias": np.ones((0, 2**40), "f4")}), {}, r"hidden_0.bias has the shape \[0, "),
        (weights(**{"hidden_0.bias": np.array([1, 2, 3, np.nan], "f4")}), {}, "hidden_0.bias holds NaN"),
        (weights(**{"hidden_0.bias": np.array([1, 2, -np.inf, 4], "f4")}), {}, "hidden_0.bias holds NaN"),
        (weights(), {"hidden_0.bias/momentum": np.ones(4)}, "momentum is float64"),
        (weights(), {"hidden_0.bias/momentum": np.full(4, np.nan, "f4")}, "momentum holds NaN"),
    ],
)
def test_weights_of_another_dtype_shape_or_name_or_with_nan_are_refused(tmp_path, arrays, moments, says):
    with pytest.raises(InputError, match=says) as error:
        taken(tmp_path / "run", arrays=arrays, moments=moments)
    assert str(error.value).startswith(str(tmp_path / "run" / "checkpoints" / "step-00000002"))


# A directory that goes away.


@pytest.mark.parametrize("then", ["nothing", "another run", "only its mark"])
def test_a_directory_that_is_removed_under_a_run_ends_it_and_nothing_comes_back(tmp_path, then):
    path = tmp_path / "run"
    with open_run(path) as run:
        run.append_metrics({"step": 1})
        if then == "only its mark":
            run.versions_file.unlink()
        else:
            shutil.rmtree(path)
        if then == "another run":
            open_run(path).close()
            (path / "holder.json").write_text("{}")
        before = sorted(entry.name for entry in path.iterdir()) if path.exists() else None
        for work in (lambda: run.append_metrics({"step": 2}), run.require_there):
            with pytest.raises(EnvironmentFault, match="was removed, or replaced by another"):
                work()
        run.discard()
    after = sorted(entry.name for entry in path.iterdir()) if path.exists() else None
    assert after == (None if then == "only its mark" else before)  # What was its own and not begun goes.
