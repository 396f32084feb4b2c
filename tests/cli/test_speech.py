"""``zoo predict`` on sounds, and what the tiny models of speech learn in a minute, in either framework."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from drawn import some
from small_runs import probed_run
from zoo_common.backend import find_backend
from zoo_common.cli.main import application
from zoo_common.data import open_dataset
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec

RATE = 2000


@pytest.fixture(scope="module")
def speaking(tmp_path_factory):
    """A run whose weights are of order one, and a folder with sounds of several lengths in it."""
    folder = tmp_path_factory.mktemp("speech")
    probed_run(load_spec("hubert_tiny_ctc", ["data.normalize=true"]), folder / "run")
    (folder / "sounds/below").mkdir(parents=True)
    draw = np.random.default_rng(0)
    for name, samples in (("a.flac", 900), ("b.wav", 400), ("below/c.flac", 900)):
        soundfile.write(folder / "sounds" / name, draw.uniform(-0.5, 0.5, samples), RATE, subtype="PCM_16")
    (folder / "sounds/notes.txt").write_text("no sound")
    return folder


def predict(folder, *arguments, framework="torch", status=0):
    command = ["predict", "--framework", framework, "--run-dir", str(folder / "run"), "--device", "cpu"]
    given = CliRunner().invoke(application(), [*command, *map(str, arguments)])
    assert given.exit_code == status, given.output
    return [json.loads(line) for line in given.stdout.splitlines()], given.stderr


def test_a_folder_of_sounds_is_transcribed_the_same_in_both_frameworks_and_in_any_batch(speaking):
    sounds = speaking / "sounds"
    found, _ = predict(speaking, sounds)
    names = ("a.flac", "b.wav", "below/c.flac")
    assert [answer["file"] for answer in found] == [str(sounds / name) for name in names]
    assert all(set(answer["transcript"]) <= set(" ABCDEFG") for answer in found)
    assert any(answer["transcript"] for answer in found)
    alone = [predict(speaking, answer["file"], "--batch-size", 1)[0][0] for answer in found]
    assert alone == found
    assert predict(speaking, sounds, framework="tf")[0] == found


def test_frames_have_vectors_with_their_time_and_the_same_in_both_frameworks(speaking):
    path = speaking / "sounds/b.wav"
    ((found,), _), ((other,), _) = (
        predict(speaking, path, "--embeddings", "tokens", framework=framework)
        for framework in ("torch", "tf")
    )
    # Frames of 30 samples, one every 20.
    assert [round(frame["start"] * RATE) for frame in found["frames"]] == list(range(0, 380, 20))
    vectors = [[frame["embedding"] for frame in answer["frames"]] for answer in (found, other)]
    assert np.shape(vectors[0]) == (19, 48)
    np.testing.assert_allclose(*vectors, atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (900, 16_000, "16,000 samples a second, and data.rate is 2,000"),
        (4000, RATE, "takes 1,280 at most"),
        (40, RATE, "the model needs 50"),
    ],
)
def test_a_sound_that_the_model_cannot_hear_is_answered_by_an_error(
    speaking, tmp_path, samples, rate, message
):
    path = tmp_path / "odd.wav"
    soundfile.write(path, np.zeros(samples), rate, subtype="PCM_16")
    (answer,), stderr = predict(speaking, path, status=2)
    assert message in answer["error"]
    assert message in stderr


def test_a_folder_without_sounds_is_refused(speaking, tmp_path):
    assert "has no file of .flac, .wav" in predict(speaking, tmp_path, status=2)[1]


def most_frequent(name: str) -> float:
    """The share of the most frequent unit among the hidden frames of the evaluation."""
    examples = open_dataset(load_spec(name), None, "eval")
    rows = [examples.example(0, index) for index in range(len(examples))]
    units = np.concatenate([row["labels"][row["label_weights"] > 0] for row in rows])
    return np.bincount(units).max() / len(units)


@pytest.mark.parametrize("framework", some("speech", ["torch", "tf"]))
def test_speech_is_learned_from_what_is_made(framework, tmp_path):
    """In full, 700 and 400 steps, it is a word error rate of 0.13 (hearing nothing: 1.0) and 0.56 of units (0.10)."""
    spec = load_spec("hubert_tiny_units", ["training.steps=80", "data.evaluation_utterances=64"])
    run = spec_run(find_backend(framework)(), spec, tmp_path / framework, device="cpu")
    run.train()
    found = run.evaluate()
    assert found["accuracy"] > most_frequent("hubert_tiny_units") + 0.1
