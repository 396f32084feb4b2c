"""What a waveform's length decides, and specs of HuBERT that are refused."""

from __future__ import annotations

import copy
import pickle

import pytest

from zoo_spec import load_spec
from zoo_spec.errors import SpecError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph.wiring import Bound
from zoo_spec.tensors import Windows


@pytest.mark.parametrize("name", ["hubert_base", "hubert_large", "hubert_tiny"])
def test_frames_follow_from_samples_as_the_layers_windows_do(name):
    graph = load_spec(name, ["task.kind=masked_unit_prediction"]).graph()
    encoder = load_spec(name).model.waveform_encoder
    assert graph.inputs["labels"].shape[1] == graph.outputs["logits"].shape[1] == "frames"
    for samples in [*range(720, 800, 7), 800]:
        length = samples
        for size, stride in zip(encoder.sizes, encoder.strides, strict=True):
            length = (length - size) // stride + 1
        bound = graph.bind(samples=samples)
        for tensor in (bound.outputs["hidden_states"], bound.inputs["frame_mask"], bound.inputs["labels"]):
            assert tensor.shape[1] == length


def test_the_frames_are_25_milliseconds_every_20():
    graph = load_spec("hubert_base").graph()
    frames = graph.inputs["frame_mask"].shape[1]
    assert (frames.size / 16_000, frames.stride / 16_000) == (0.025, 0.02)
    assert "frames" not in graph.bounds


def test_a_dimension_of_windows_equals_another_of_the_same_windows_alone():
    frames = Windows("frames", "samples", 400, 320)
    assert frames == Windows("frames", "samples", 400, 320) == copy.deepcopy(frames)
    assert pickle.loads(pickle.dumps(frames)) == frames
    assert frames != Windows("frames", "samples", 400, 160)
    assert frames != Windows("frames", "other", 400, 320)
    assert [frames.fitting(samples) for samples in (0, 399, 400, 719, 720)] == [0, 0, 1, 1, 2]


def test_a_waveform_shorter_than_the_convolutions_need_is_refused():
    with pytest.raises(SpecError, match="samples is 719; it must be at least 720 and at most 250000"):
        load_spec("hubert_base").graph().bind(samples=719)


def composed(bounds):
    """A waveform through two convolutions that make a frame of 5 samples."""
    encoder = {"kind": "waveform_encoder", "channels": (3, 3), "sizes": (3, 2), "strides": (2, 1)}
    model = {
        "kind": "graph",
        "bounds": bounds,
        "inputs": {"wave": {"shape": ("batch", "samples")}},
        "nodes": {"frames": {"block": encoder, "inputs": "wave"}},
        "outputs": {"y": "frames"},
    }
    return ExperimentSpec.model_validate({"model": model, "task": "representation"}).graph()


def test_a_composed_graph_takes_no_waveform_shorter_than_a_window():
    assert composed({}).bounds["samples"] == Bound(None, 5)
    with pytest.raises(SpecError, match="'frames' needs 5 samples, and there are 4 at most"):
        composed({"samples": 4})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "model.max_samples=719",
            "max_samples 719 is shorter than the 720 samples that the convolutions need",
        ),
        ("model.position.groups=7", "has 7 groups, and 768 channels are no multiple of that"),
        ("model.waveform_encoder.strides=[5, 2]", "7 channels, 7 sizes and 2 strides are given"),
        ("model.num_heads=7", "hidden_size 768 is not a multiple of num_heads 7"),
        ("task.kind=question_answering", "frames"),
        ("task.kind=masked_lm", "masked_lm needs table, which hubert_base does not give"),
    ],
)
def test_what_does_not_fit_is_refused(override, message):
    with pytest.raises(SpecError, match=message):
        load_spec("hubert_base", [override]).graph()


@pytest.mark.parametrize("task", ["ctc", "masked_unit_prediction"])
def test_tasks_of_frames_need_frames(task):
    with pytest.raises(SpecError, match=f"{task} needs frame_ids, which bert_base does not give"):
        load_spec("bert_base", [f"task.kind={task}"]).graph()
