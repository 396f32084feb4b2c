"""Examples of a text and what is to be made of it: what is fed, what is learned, and what is cut."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from zoo_common.data import evaluation_batches, open_dataset
from zoo_common.data.makers.pairs import sides
from zoo_common.data.subwords.tokenizer_files import run_tokenizer
from zoo_spec import load_spec
from zoo_spec.data_fit import check_data
from zoo_spec.errors import InputError

SOURCES = ["ein hund", "eine katze sitzt", "der hund und die katze", "ein haus"]
TARGETS = ["a dog", "a cat sits", "the dog and the cat", "a house"]


@pytest.fixture
def opened(tmp_path):
    (tmp_path / "a.de").write_text("\n".join(SOURCES))
    (tmp_path / "a.en").write_text("\n".join(TARGETS))

    def given(spec: str, task: str, split="train", **fields):
        data = {
            "kind": "parallel_text",
            "source_files": [str(tmp_path / "a.de")],
            "target_files": [str(tmp_path / "a.en")],
            "evaluation_fraction": 0.0,
            "sequence_length": 20,
            **fields,
        }
        found = load_spec(
            spec, [f"data={json.dumps(data)}", f"task={json.dumps({'kind': task})}", "model.vocab_size=200"]
        )
        run_dir = tmp_path / "run"
        dataset = open_dataset(found, run_dir, split)
        return dataset, run_tokenizer(found.data, run_dir, 200)

    return given


@pytest.mark.parametrize("spec", ["transformer_tiny", "t5_tiny"])
def test_a_decoder_reads_its_labels_shifted_behind_the_padding_token(opened, spec):
    dataset, tokenizer = opened(spec, "sequence_to_sequence_lm", prefix="translate: ")
    encoded = tokenizer.encode
    for index, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        example = dataset.example(0, index)
        labels = [*encoded([target])[0], tokenizer.sep]
        assert example["input_ids"].tolist() == [*encoded([f"translate: {source}"])[0], tokenizer.sep]
        assert example["labels"].tolist() == labels
        # T5's _shift_right: the padding token, then all labels but the last (Raffel et al., 2020; transformers).
        assert example["decoder_input_ids"].tolist() == [tokenizer.pad, *labels[:-1]]
        assert example["label_weights"].tolist() == [1.0] * len(labels)
        assert sides(dataset.record(index)) == (source, target)
        assert {name: value.tolist() for name, value in dataset.example(7, index).items()} == {
            name: value.tolist() for name, value in example.items()
        }


def test_a_batch_is_padded_to_both_lengths_and_says_where(opened):
    dataset, tokenizer = opened("transformer_tiny", "sequence_to_sequence_lm", target_length=9)
    (batch,) = evaluation_batches(dataset, 4)
    assert batch["input_ids"].shape == (4, 20)
    assert batch["labels"].shape == batch["decoder_example_ids"].shape == (4, 9)
    for name, real in (("labels", "label_weights"), ("decoder_input_ids", "decoder_example_ids")):
        assert (batch[name][batch[real] == 0] == tokenizer.pad).all()
    assert (batch["label_weights"] == batch["decoder_example_ids"]).all()


def test_a_causal_model_learns_the_target_alone_up_to_its_end(opened):
    dataset, tokenizer = opened("gpt2_tiny", "summarization", sequence_length=32)
    for index, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        example = dataset.example(0, index)
        text, answer = tokenizer.encode([source, target])
        tokens = [*text, tokenizer.sep, *answer, tokenizer.sep]
        assert example["input_ids"].tolist() == tokens
        learned = example["labels"][example["label_weights"] == 1]
        assert learned.tolist() == [*answer, tokenizer.sep]
        # Each label is the token that comes next.
        assert example["labels"][:-1].tolist() == tokens[1:]
        assert np.flatnonzero(example["label_weights"])[0] == len(text)


def test_what_is_too_long_is_cut_so_that_both_keep_their_ends_and_told(opened, caplog):
    with caplog.at_level(logging.WARNING, "zoo"):
        dataset, tokenizer = opened(
            "transformer_tiny", "sequence_to_sequence_lm", sequence_length=4, target_length=3
        )
        examples = [dataset.example(0, index) for index in range(len(dataset))]
    assert all(each["input_ids"][-1] == tokenizer.sep and len(each["input_ids"]) <= 4 for each in examples)
    assert all(each["labels"][-1] == tokenizer.sep and len(each["labels"]) <= 3 for each in examples)
    assert "and was cut; 1 of 4 examples so far" in caplog.text
    causal, tokenizer = opened("gpt2_tiny", "summarization", sequence_length=6, target_length=4)
    for index in range(len(causal)):
        example = causal.example(0, index)
        assert len(example["input_ids"]) <= 6
        assert example["input_ids"][-1] == tokenizer.sep
        assert 1 <= example["label_weights"].sum() <= 4


def test_what_is_too_long_may_be_left_out_and_is_counted(opened, caplog):
    whole, _ = opened("transformer_tiny", "sequence_to_sequence_lm", sequence_length=64)
    sizes = [len(whole.example(0, index)["input_ids"]) for index in range(len(whole))]
    most = sorted(sizes)[1]
    with caplog.at_level(logging.WARNING, "zoo"):
        short, _ = opened(
            "transformer_tiny",
            "sequence_to_sequence_lm",
            sequence_length=most,
            target_length=60,
            too_long="skip",
        )
    kept = [index for index, size in enumerate(sizes) if size <= most]
    assert [short.record(index).source for index in range(len(short))] == [SOURCES[index] for index in kept]
    assert f"{4 - len(kept)} of 4 pairs are too long and were left out" in caplog.text
    with pytest.raises(InputError, match=r"all 4 pairs have more tokens than data\.sequence_length 2 "):
        opened("transformer_tiny", "sequence_to_sequence_lm", sequence_length=2, too_long="skip")


@pytest.mark.parametrize(
    ("spec", "fields", "said"),
    [
        ("transformer_tiny", {"sequence_length": 65}, r"data\.sequence_length 65 is above the 64 positions"),
        (
            "transformer_tiny",
            {"sequence_length": 64, "target_length": 65},
            r"data\.target_length 65 is above the 64 positions of the model's",
        ),
        (
            "bert_tiny",
            {},
            "is texts with the texts that they become, which masked_lm_next_sentence does not learn",
        ),
        (
            "t5_tiny",
            {},
            "which span_corruption does not learn from; set task.kind to sequence_to_sequence_lm",
        ),
    ],
)
def test_data_that_does_not_fit_is_refused_before_it_is_read(spec, fields, said):
    data = {"kind": "parallel_text", "source_files": ["none"], "target_files": ["none"], **fields}
    found = load_spec(spec, [f"data={json.dumps(data)}"])
    with pytest.raises(InputError, match=said):
        check_data(found, found.graph())
