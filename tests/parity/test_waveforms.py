"""Waveforms and their labels where the frameworks by themselves would part: too short, and too many labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo_tf
import zoo_torch
from zoo_spec import load_spec
from zoo_spec.errors import InputError


def outputs(framework: str, spec, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    if framework == "tf":
        return {name: value.numpy() for name, value in zoo_tf.compile(spec, dtype="float64")(inputs).items()}
    model = zoo_torch.compile(spec, dtype="float64")
    found = model(**{name: torch.from_numpy(value) for name, value in inputs.items()})
    return {name: value.detach().numpy() for name, value in found.items()}


each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])


@each_framework
def test_a_waveform_shorter_than_the_convolutions_need_is_refused(framework):
    with pytest.raises(InputError, match="the waveform has 29 samples, and the convolutions need 30"):
        outputs(framework, load_spec("hubert_tiny"), waveform=np.ones((2, 29)))


@each_framework
def test_the_shortest_waveform_gives_one_frame(framework):
    waveform = np.random.default_rng(3).standard_normal((2, 30))
    # The last norm over time has one value, which torch's own refuses in a batch of one.
    spec = load_spec("hubert_tiny", ["model.waveform_encoder.norm={kind: time_norm, epsilon: 1e-5}"])
    both = outputs(framework, spec, waveform=waveform)["hidden_states"]
    assert both.shape == (2, 1, 48)
    alone = outputs(framework, spec, waveform=waveform[:1])["hidden_states"]
    assert np.abs(alone - both[:1]).max() < 1e-12


@each_framework
@pytest.mark.parametrize(
    ("labels", "fits"), [([1, 2, 3], True), ([1, 1, 2], False), ([1, 0, 1], True), ([0, 0, 0], True)]
)
def test_labels_that_do_not_fit_into_the_frames_have_an_infinite_loss(framework, labels, fits):
    """Three frames, into which two labels fit that are alike, with a blank between them, and no third."""
    found = outputs(
        framework,
        load_spec("hubert_tiny_ctc"),
        waveform=np.linspace(-1, 1, 70)[None],
        labels=np.array([labels], np.int32),
        label_weights=np.ones(1),
    )
    assert found["logits"].shape[1] == 3
    assert np.isfinite(found["loss"]) == fits
    assert found["loss"] > 0


@each_framework
def test_padding_of_a_waveform_does_not_show_in_its_frames(framework):
    """In the large models' encoder, whose norms are of each frame alone."""
    norm = "{kind: layer_norm, epsilon: 1e-5}"
    spec = load_spec(
        "hubert_tiny",
        [f"model.waveform_encoder.first_norm={norm}", f"model.waveform_encoder.norm={norm}"],
    )
    waveform = np.random.default_rng(3).standard_normal((1, 500))
    alone = outputs(framework, spec, waveform=waveform)["hidden_states"]
    padded = np.pad(waveform, [(0, 0), (0, 200)], constant_values=9.0)
    ids = np.repeat([[1, 0]], [500, 200], axis=1).astype(np.int32)
    found = outputs(framework, spec, waveform=padded, sample_ids=ids)["hidden_states"]
    assert found.shape[1] > alone.shape[1]
    assert np.abs(found[:, : alone.shape[1]] - alone).max() < 1e-12
