"""Data that cannot feed its model is refused before any of it is read; so are sizes that no model can have."""

import pytest

from zoo_common.data.makers import sentence_pairs
from zoo_spec import list_specs, load_spec
from zoo_spec.data_fit import PAIRS, check_data
from zoo_spec.errors import InputError, SpecError

LENGTHS = {
    "bert_tiny": 512,
    "causal_lm": 128,
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
    "two_towers": 32,
    "u_text_encoder": 128,
}


def checked(name, *overrides):
    spec = load_spec(name, list(overrides))
    check_data(spec, spec.graph())


def test_every_shipped_specs_data_fits_its_model():
    for name in list_specs():
        checked(name)


def test_the_pairs_are_those_that_text_is_made_into():
    assert set(PAIRS) == set(sentence_pairs.PAIRS)


@pytest.mark.parametrize(("name", "most"), LENGTHS.items())
def test_a_sequence_longer_than_the_positions_is_refused(name, most):
    checked(name, f"data.sequence_length={most}")
    with pytest.raises(
        InputError, match=rf"data.sequence_length {most + 1} is above the {most} .*; lower it,.* raise"
    ):
        checked(name, f"data.sequence_length={most + 1}")


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        (
            "hubert_tiny",
            ["data.waveform_samples=801"],
            "801 is above the 800 that .* raise model.max_samples",
        ),
        ("hubert_tiny", ["data.waveform_samples=49"], "49 is below the 50 that the model needs; raise it"),
        ("two_towers", ["data.sequence_length=33"], "raise model.bounds.sequence"),
        (
            "bert_tiny",
            ["data.max_predictions=513"],
            "max_predictions 513 is above the 512 that the model takes",
        ),
        (
            "bert_tiny",
            ["model.type_vocab_size=1"],
            "2 token types, and the model has 1; set model.type_vocab_size",
        ),
        (
            "t5_tiny",
            ["data.sequence_length=1"],
            "sequence_length 1 has no room for a token, a sentinel and the end",
        ),
        ("t5_tiny", ["data.masked_fraction=0.9"], "makes targets of .* above the 128 positions"),
        (
            "t5_tiny",
            ["data.sequence_length=128", "model.vocab_size=5"],
            "needs 7 sentinels, and the model has 5 token ids in all",
        ),
        ("vit_tiny", ["data=text"], "is running text, which image_classification does not learn from"),
        (
            "bert_tiny",
            ["data=images"],
            "'images' is labelled images, which masked_lm_next_sentence does not learn from",
        ),
        ("gpt2_tiny", ["data=generated_shapes"], "'generated_shapes' needs a model with an input image"),
        (
            "bert_tiny",
            ["model.attention={kind: linformer_attention, size: 4, length: 64}"],
            r"projects sequences of 64 at most \(length\), and meets one of 128",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_both_values(name, overrides, message):
    with pytest.raises(InputError, match=message):
        checked(name, *overrides)


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        (
            "gptj_tiny",
            "model.rotary_dims=64",
            r"turn 64 features of each head \(dims\), but a head has 32.*at most 32",
        ),
        ("gpt_neox_tiny", "model.rotary_dims=34", "but a head has 32"),
        ("gptj_tiny", "model.rotary_dims=7", "model.rotary_dims: 7 is odd; .* give an even number"),
        ("rotary_bert", "model.position.dims=63", "model.position.dims: 63 is odd"),
        ("rotary_bert", "model.position.dims=66", "but a head has 64"),
        ("vit_tiny", "model.image_size=[9, 8]", r"\[9, 8\] is no multiple of patch_size 2; take \[8, 8\]"),
        (
            "vit_tiny_finer",
            "model.position_image_size=[7, 8]",
            "position_image_size .* no multiple of patch_size 2",
        ),
        (
            "unet_tiny",
            "model.image_size=[30, 32]",
            "cannot be halved 2 times, which 3 filters ask for; take .*32, 32",
        ),
        ("unet_classic", "model.image_size=[100, 100]", "cannot be halved 4 times"),
        (
            "hubert_tiny",
            "model.max_samples=49",
            "max_samples 49 is shorter than the 50 samples that the convolutions",
        ),
        (
            "t5_tiny",
            "model.position.num_buckets=31",
            "needs an even number of buckets, at least 4; it has 31",
        ),
        ("t5_tiny", "model.position.max_distance=8", "max_distance 8 must be larger"),
        ("gpt3_tiny", "model.window=0", "model.window: 0 is out of range; it must be greater than 0"),
        ("gpt3_tiny", "model.layer_pattern=[]", "must have at least 1 entries"),
        ("bert_tiny", "data.masked_fraction=1", "must be less than 1"),
        ("bert_tiny", "data.random_next_probability=1.5", "must be at most 1"),
        ("ernie_tiny", "data.masking=phrases", "masking is phrases and the file of phrases is not given"),
    ],
)
def test_a_family_refuses_sizes_that_it_cannot_have(name, override, message):
    with pytest.raises(SpecError, match=message) as raised:
        load_spec(name, [override])
    assert str(raised.value).startswith(f"--set {override}: ")


def test_a_wrong_item_of_a_list_does_not_make_the_list_too_short():
    with pytest.raises(SpecError) as raised:
        load_spec("gpt3_tiny", ["model.layer_pattern=[sparse]"])
    (problem,) = raised.value.problems
    assert problem.path == "model.layer_pattern[0]"
    assert "not one of the choices (there are: banded, dense)" in problem.message


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("bert_tiny", 128),
        ("ernie_tiny", 128),
        ("gpt2_tiny", 128),
        ("gpt3_tiny", 128),
        ("gpt_neox_tiny", 128),
        ("gptj_tiny", 128),
        ("hubert_tiny", 48),
        ("linformer_tiny", 128),
        ("roberta_tiny", 128),
        ("transformer_tiny", 64),
        ("vit_tiny", 64),
    ],
)
def test_heads_that_do_not_divide_the_width_are_refused_at_their_own_field(name, width):
    with pytest.raises(
        SpecError, match=f"model.num_heads: hidden_size {width} is not a multiple of num_heads 7"
    ):
        load_spec(name, ["model.num_heads=7"])


def test_the_tasks_on_pairs_are_those_that_examples_can_be_made_for():
    from zoo_common.data.makers import sentence_pairs
    from zoo_spec import data_fit

    assert tuple(sentence_pairs.PAIRS) == data_fit.PAIRS


BUCKETS = "data.batching.kind=bucketed"


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("mnist_fc_deep", [BUCKETS], "has examples of one size, .* set data.batching to padded"),
        ("bert_tiny", ["data.kind=generated", BUCKETS], "'generated' has examples of one size"),
        (
            "bert_tiny",
            [BUCKETS, "data.batching.bounds=[16,1024]"],
            "1024 is above the 512 that the model takes; lower it, or raise model.max_positions",
        ),
        (
            "hubert_tiny_ctc",
            ["data.kind=generated_speech", BUCKETS, "data.batching.bounds=[49,800]"],
            "bounds: 49 is below the 50 that the model needs; leave it out",
        ),
        (
            "bert_tiny",
            ["data.sequence_length=64", BUCKETS, "data.batching.bounds=[32,64,128]"],
            "no example is longer than data.sequence_length 64, so that the bucket of 128 is empty; leave it out",
        ),
    ],
)
def test_buckets_that_the_data_or_the_model_cannot_have_are_refused(name, overrides, message):
    with pytest.raises(InputError, match=message):
        checked(name, *overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["data.batching.bounds=[16,16]"],
            "bounds rise, and 16 stands behind 16; give them in order, each once",
        ),
        (["data.batching.bounds=[32,16]"], "bounds rise, and 16 stands behind 32"),
        (
            ["data.batching.bounds=[16,64]", "data.batching.tokens=63"],
            "tokens 63 is less than one example of the bound 64; raise it to that at least, or leave the bound out",
        ),
    ],
)
def test_bounds_and_budgets_that_make_no_sense_are_refused_with_the_spec(overrides, message):
    with pytest.raises(SpecError, match=message):
        load_spec("bert_tiny", [BUCKETS, *overrides])


def test_batching_is_said_once_of_all_that_is_trained_on():
    text = "{kind: text, batching: bucketed}"
    with pytest.raises(InputError, match=r"data.evaluation.batching is bucketed, .* as data.batching"):
        checked("bert_tiny", f"data.evaluation={text}")
    with pytest.raises(InputError, match=r"data.sources.1.data.batching is bucketed, .* as data.batching"):
        checked(
            "bert_tiny", "data.kind=mixture", f"data.sources=[{{data: {{kind: text}}}}, {{data: {text}}}]"
        )
    checked("bert_tiny", "data.kind=mixture", "data.sources=[{data: {kind: text}}]", BUCKETS)
