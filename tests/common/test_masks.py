"""A batch with ``transformers``' names for masks is one with ours: the references run them as what they are there.

That a mask of 1 and 0 is ``example_ids`` for each family is shown by tests/parity/test_transformers.py, which gives
``transformers`` the one and our models the other.
"""

from __future__ import annotations

import numpy as np
import pytest

from zoo_common.training.feed import open_feed
from zoo_common.training.named_batches import named_batches
from zoo_spec import load_spec
from zoo_spec.errors import InputError

IDS = np.arange(5, 15, dtype=np.int32).reshape(2, 5)
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def read(name, **given):
    return next(named_batches(open_feed([given], {}), load_spec(name).graph(), labelled=False))


@pytest.mark.parametrize(
    "name", ["bert_tiny", "roberta_tiny", "gpt2_tiny", "gpt_neox_tiny", "linformer_tiny"]
)
@pytest.mark.parametrize("dtype", [np.int64, np.float32, bool])
def test_a_mask_of_tokens_is_example_ids(name, dtype):
    found = read(name, input_ids=IDS, attention_mask=MASK.astype(dtype))
    assert set(found) == {"input_ids", "example_ids"}
    assert found["example_ids"].dtype == np.int32
    np.testing.assert_array_equal(found["example_ids"], MASK)


def test_masks_of_a_source_and_a_target_are_theirs():
    ones = np.ones((2, 5), np.int32)
    found = read(
        "t5_tiny", input_ids=IDS, decoder_input_ids=IDS, attention_mask=MASK, decoder_attention_mask=ones
    )
    np.testing.assert_array_equal(found["example_ids"], MASK)
    np.testing.assert_array_equal(found["decoder_example_ids"], ones)
    assert "decoder_example_ids" not in read(
        "t5_tiny", input_ids=IDS, decoder_input_ids=IDS, attention_mask=MASK
    )


def test_a_mask_of_a_waveform_is_its_samples():
    waveform = np.ones((2, 800), np.float32)
    mask = np.arange(800) < np.array([[800], [500]])
    found = read("hubert_tiny", waveform=waveform, attention_mask=mask)
    np.testing.assert_array_equal(found["sample_ids"], mask)


def test_padding_in_front_is_taken_where_positions_are_places_and_refused_where_they_count_tokens():
    found = read("bert_tiny", input_ids=IDS, attention_mask=MASK[:, ::-1])
    np.testing.assert_array_equal(found["example_ids"], MASK[:, ::-1])
    with pytest.raises(
        InputError, match="of example 1 has padding before tokens, where transformers would count"
    ):
        read("roberta_tiny", input_ids=IDS, attention_mask=MASK[:, ::-1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"attention_mask": MASK, "example_ids": MASK},
            "both attention_mask and example_ids, which say the same",
        ),
        ({"attention_mask": MASK[:, None]}, r"attention_mask is \[2, 1, 5\]; give \[batch, length\]"),
        (
            {"attention_mask": MASK * 2},
            "attention_mask of example 0 has 2; .* in a row are example_ids",
        ),
        ({"attention_mask": np.where(MASK, 0.0, -1e9)}, "attention_mask of example 1 has -1000000000.0"),
        ({"attention_mask": MASK[:, :4]}, "has 5 along 'sequence' and its example_ids 4"),
        ({"decoder_attention_mask": MASK}, "has no padding to be told of"),
    ],
)
def test_a_mask_that_is_something_else_is_refused_by_name(given, message):
    with pytest.raises(InputError, match=message):
        read("bert_tiny", input_ids=IDS, **given)


def test_a_model_without_padding_takes_no_mask():
    with pytest.raises(InputError, match="mnist_fc has no padding to be told of; leave it out"):
        read("mnist_fc", image=np.zeros((2, 28, 28, 1), np.float32), attention_mask=np.ones((2, 28)))
