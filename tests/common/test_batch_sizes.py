"""A user's batches whose sizes do not fit are refused before a framework sees them, and told by number."""

import numpy as np
import pytest

from zoo_common.data.base import batch
from zoo_common.data.generated import open_generated
from zoo_common.training.feed import open_feed
from zoo_common.training.named_batches import named_batches
from zoo_spec import load_spec
from zoo_spec.data import GeneratedData
from zoo_spec.errors import InputError

LONGEST = {
    "bert_tiny": 512,
    "ernie_tiny": 128,
    "gpt2_tiny": 128,
    "gpt3_tiny": 128,
    "gpt_neox_tiny": 128,
    "gptj_tiny": 128,
    "linformer_tiny": 128,
    "linformer_tiny_layerwise": 128,
    "roberta_tiny": 512,
    "rotary_bert": 512,
    "t5_tiny": 128,
    "transformer_tiny": 64,
}


def given(name):
    """A graph, and a batch of three examples that fits it."""
    graph = load_spec(name).graph()
    return graph, batch(open_generated(GeneratedData(), graph, seed=0, split="train"), 0, 0, 3)


def refused(graph, *batches, message, labelled=True):
    with pytest.raises(InputError, match=message) as raised:
        list(named_batches(open_feed(batches, {}), graph, labelled=labelled))
    assert raised.value.exit_status == 2


@pytest.mark.parametrize(
    "name", ["bert_tiny", "t5_tiny", "hubert_tiny_ctc", "hubert_tiny_units", "unet_tiny"]
)
def test_a_batch_that_fits_is_passed_on(name):
    graph, good = given(name)
    (passed,) = named_batches(open_feed([good], {}), graph)
    assert set(passed) == set(good)


@pytest.mark.parametrize(("name", "most"), LONGEST.items())
def test_more_tokens_than_positions_are_refused(name, most):
    graph, good = given(name)
    required = {each: value for each, value in good.items() if not graph.inputs[each].optional}
    required["input_ids"] = np.zeros((3, most), np.int32)
    assert list(named_batches(open_feed([required], {}), graph, labelled=False))
    required["input_ids"] = np.zeros((3, most + 1), np.int32)
    message = (
        f"input_ids has {most + 1} along 'sequence', and the model takes {most} at most; cut the examples"
    )
    refused(graph, required, message=message, labelled=False)


@pytest.mark.parametrize("name", ["t5_tiny", "transformer_tiny"])
def test_more_target_tokens_than_positions_are_refused(name):
    graph, good = given(name)
    targets = ("decoder_input_ids", "decoder_example_ids", "decoder_positions", "labels", "label_weights")
    longer = {each: np.resize(value, (3, 300)) if each in targets else value for each, value in good.items()}
    refused(graph, longer, message="decoder_input_ids has 300 along 'target_sequence'")


@pytest.mark.parametrize(
    ("name", "cut", "message"),
    [
        ("bert_tiny", "example_ids", "input_ids has 32 along 'sequence' and its example_ids 5"),
        ("bert_tiny", "token_type_ids", "input_ids has 32 along 'sequence' and its token_type_ids 5"),
        ("t5_tiny", "decoder_example_ids", "decoder_input_ids has 32 .* and its decoder_example_ids 5"),
        ("gpt2_tiny", "labels", "input_ids has 32 along 'sequence' and its labels 5"),
        ("hubert_tiny_units", "frame_mask", "frame_mask has 5 along 'frames', and 1280 samples make 63"),
        ("hubert_tiny_units", "labels", "labels has 5 along 'frames', and 1280 samples make 63"),
    ],
)
def test_inputs_of_other_lengths_than_each_others_are_refused(name, cut, message):
    graph, good = given(name)
    refused(graph, {**good, cut: good[cut][:, :5]}, message=message)


@pytest.mark.parametrize(
    ("name", "answers", "message"),
    [
        (
            "bert_tiny_classification",
            {"pooled_positions": 3, "labels": 2},
            "pooled_positions has 3 .* its labels 2",
        ),
        (
            "bert_tiny_squad",
            {"start_positions": 2, "end_positions": 3},
            "start_positions has 2 .*its end_positions 3",
        ),
        (
            "bert_tiny_squad",
            {"start_positions": 2, "end_positions": 2, "answer_weights": 4},
            "answer_weights 4",
        ),
    ],
)
def test_a_packed_row_has_as_many_of_each_label_as_it_has_examples(name, answers, message):
    graph, good = given(name)
    rows = len(good["input_ids"])
    kinds = {each: np.zeros((rows, size), graph.inputs[each].dtype) for each, size in answers.items()}
    refused(graph, {**good, **kinds}, message=message)
    same = {each: value[:, :2] for each, value in kinds.items()}
    left = {each: value for each, value in good.items() if each not in graph.labels}
    assert list(named_batches(open_feed([{**left, **same}], {}), graph))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (0, "waveform has 0 along 'samples', and the model needs 50 at least; fill the examples up"),
        (49, "waveform has 49 along 'samples', and the model needs 50 at least"),
        (801, "waveform has 801 along 'samples', and the model takes 800 at most"),
    ],
)
def test_a_waveform_that_the_convolutions_cannot_take_is_refused(samples, message):
    graph, _ = given("hubert_tiny")
    refused(graph, {"waveform": np.zeros((2, samples), np.float32)}, message=message)


def test_labels_that_do_not_fit_into_their_frames_are_refused():
    graph, good = given("hubert_tiny_ctc")
    waveform = np.zeros((2, 800), np.float32)
    fitting = np.array([[1, 2] * 19 + [3], [1] * 20 + [0] * 19], np.int32)
    assert list(named_batches(open_feed([{"waveform": waveform, "labels": fitting}], {}), graph))
    fitting[1, 20] = 1
    message = "labels of example 1 need 41 frames, one for each and .*, and its 800 samples make 39; shorten"
    refused(graph, {"waveform": waveform, "labels": fitting}, message=message)
    rows, samples = good["waveform"].shape
    padded = {**good, "sample_ids": np.where(np.arange(samples) < 20, 1, 0) * np.ones((rows, 1), np.int32)}
    refused(graph, padded, message="its 20 samples make 0")


@pytest.mark.parametrize(
    ("name", "changed", "value", "message"),
    [
        ("bert_tiny", "token_type_ids", 2, "ids run from 0 to 1"),
        ("bert_tiny", "masked_ids", 4096, "ids run from 0 to 4095"),
        ("bert_tiny", "masked_positions", 32, "ids run from 0 to 31"),
        ("bert_tiny", "example_ids", -1, "has numbers below 0; give 0 for padding"),
        ("ernie_tiny", "task_type_ids", 16, "ids run from 0 to 15"),
        ("t5_tiny", "decoder_input_ids", 1024, "ids run from 0 to 1023"),
        ("hubert_tiny_ctc", "labels", 12, "ids run from 0 to 11"),
        ("hubert_tiny_units", "labels", 20, "ids run from 0 to 19"),
        ("bert_tiny_ner", "labels", -100, "no label, give 0 and the weight 0 in label_weights"),
        ("unet_tiny", "labels", 255, "no label, give 0 and the weight 0 in label_weights"),
    ],
)
def test_a_number_out_of_range_is_told_with_its_example_and_its_batch(name, changed, value, message):
    graph, good = given(name)
    bad = good[changed].copy()
    bad.flat[bad.size // len(bad)] = value  # The first of example 1.
    refused(
        graph,
        good,
        {**good, changed: bad},
        message=rf"a batch's {changed} .*of example 1 .*{message}.* \(batch 2\)$",
    )
