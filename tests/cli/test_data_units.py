"""``zoo data units``: from sounds to units to a training step, and a layer's units the same from both frameworks."""

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from small_models import probe_weights
from small_runs import probed_run
from zoo_common.backend import find_backend
from zoo_common.cli.main import application
from zoo_common.hidden_units.layer import LayerFeatures, layer_graph
from zoo_common.interop import to_foreign
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec
from zoo_spec.data.records import Samples
from zoo_spec.errors import InputError

RATE = 2000


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """A run of a tiny HuBERT whose weights are of order one, and sounds of tones that follow each other."""
    folder = tmp_path_factory.mktemp("units")
    few = ("data.utterances=8", "data.evaluation_utterances=2")
    probed_run(load_spec("hubert_tiny_units", few), folder / "run")
    (folder / "sounds").mkdir()
    draw = np.random.default_rng(0)
    for number in range(8):
        pitches = 100.0 * (1 + draw.integers(8, size=6))
        phase = 2 * np.pi * np.cumsum(np.repeat(pitches, 200)) / RATE
        samples = 0.4 * np.sin(phase) + 0.02 * draw.standard_normal(1200)
        soundfile.write(folder / f"sounds/{number}.flac", samples, RATE, subtype="PCM_16")
    return folder


def units(folder, *arguments, status=0):
    given = CliRunner().invoke(application(), ["data", "units", *map(str, arguments)])
    assert given.exit_code == status, given.output
    return given.stdout if status == 0 else given.stderr


LAYER = ("--features", "layer", "--layer", 1, "--clusters", 20)


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_sounds_become_units_that_the_next_model_learns(heard, tmp_path, framework):
    printed = units(
        heard, "--audio", heard / "sounds", "--rate", RATE, "--clusters", 20, "--output", tmp_path / "units"
    )
    training = "training: {steps: 1, batch_size: 2}"
    (tmp_path / "mine.yaml").write_text(f"extends: hubert_tiny_units\n{training}\n{printed}")
    spec = load_spec(tmp_path / "mine.yaml")
    run = spec_run(find_backend(framework)(), spec, tmp_path / "run", device="cpu", quiet=True)
    (record, *_) = run.train()
    assert np.isfinite(record["loss"])


def test_units_of_a_layer_are_the_same_from_both_frameworks(heard, tmp_path):
    for framework in ("torch", "tf"):
        units(heard, "--audio", heard / "sounds", *LAYER, "--run-dir", heard / "run", "--framework", framework,
              "--output", tmp_path / framework)  # fmt: skip
    one, other = ((tmp_path / framework / "train.km").read_text() for framework in ("torch", "tf"))
    assert one == other
    # A unit for each frame of 30 samples, one every 20.
    assert {len(line.split()) for line in one.splitlines()} == {1 + (1200 - 30) // 20}
    assert len(set(one.split())) == 20


@pytest.mark.parametrize("place", ["after", "before"])
def test_features_are_what_transformers_has_after_that_layer(place):
    import torch
    import transformers

    from references.hubert import hubert_config

    spec = load_spec(
        "hubert_tiny", [f"model.norm_place={place}", "data={kind: generated_speech, rate: 2000}"]
    )
    weights = probe_weights(spec.graph())
    theirs = transformers.HubertModel(hubert_config(spec.model)).eval()
    foreign = to_foreign(spec, "transformers", weights)
    theirs.load_state_dict({name: torch.from_numpy(value) for name, value in foreign.items()}, strict=False)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 700).astype(np.float32)
    with torch.no_grad():
        states = (
            theirs(torch.from_numpy(samples)[None], output_hidden_states=True).hidden_states[1][0].numpy()
        )
    graph = layer_graph(spec, 1)
    own = {name: weights[name] for name in graph.parameters()}
    model = find_backend("torch")().for_inference(graph, own, dtype="float32", device="cpu")
    found = LayerFeatures(model, graph, spec.data, {}).of(Samples(samples, RATE))
    np.testing.assert_allclose(found, states, atol=2e-4 * np.abs(states).max())


def test_what_does_not_go_together_is_refused(heard, tmp_path):
    sounds = ("--audio", heard / "sounds")
    run = ("--run-dir", heard / "run", "--framework", "torch")
    output = ("--output", tmp_path / "units")
    for arguments, message in (
        ((*sounds, "--rate", RATE, "--output", heard / "sounds"), "sounds: is there already"),
        ((*sounds, *LAYER[:3], 3, *run, *output), "has the layers 1 to 2, not 3"),
        (
            (*sounds, *LAYER, *run, "--rate", 8000, *output),
            "hears 2,000 samples a second, and the sounds have 8,000",
        ),
        ((*sounds, *LAYER, *output), "a layer needs --run-dir, --framework too"),
        ((*sounds, "--layer", 1, *output), "--layer goes with --features layer"),
        ((*sounds, "--spec", "hubert_tiny_units", *output), "give sounds by --audio, or"),
        (("--spec", "hubert_tiny_units", *output), "is in no file, which a list of units could name"),
        (("--spec", "bert_tiny", *output), "is no speech; name a spec on utterances"),
        ((*sounds, "--sample", 0, *output), "0 is not above 0"),
        (("--audio", tmp_path, *output), "has no file of .flac, .wav"),
    ):
        assert message in units(heard, *arguments, status=2)
    with pytest.raises(InputError, match="is a model of kind 'bert', and units are clustered of a HuBERT's"):
        layer_graph(load_spec("bert_tiny"), 1)
    assert not list(tmp_path.iterdir())
