"""The GPT families' specs: what they fill in, what they refuse by name, how their weights start."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zoo_common.interop import from_transformers, to_transformers
from zoo_spec import load_spec
from zoo_spec.blocks.attention import BandedAttention
from zoo_spec.blocks.position import Rotary, rotary_angles
from zoo_spec.errors import InputError, SpecError
from zoo_spec.shrink import shrunk

FAMILIES = ("gpt2", "gpt3", "gptj", "gpt_neox")


def refusal(name: str, *overrides: str) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(name, list(overrides)).graph()
    return str(caught.value)


def test_rotary_dims_beyond_the_head_are_refused_with_both_numbers():
    message = refusal("gptj_tiny", "model.rotary_dims=34")
    assert "rotary positions that turn 34 features" in message
    assert "at most 32" in message


def test_odd_rotary_dims_are_refused():
    assert "7 is odd" in refusal("gptj_tiny", "model.rotary_dims=7")


def test_a_sequence_longer_than_the_rotary_positions_is_refused():
    graph = load_spec("gptj_tiny").graph()
    with pytest.raises(SpecError, match="at most 128"):
        graph.bind(sequence=129)


def test_rotary_positions_stand_in_any_family_s_slot_and_the_embeddings_add_none():
    spec = load_spec("bert_tiny", ["model.position={kind: rotary}"])
    table = spec.graph().parameters()
    assert "embeddings.position.weight" not in table
    found = [place.block for place in spec.graph().places() if isinstance(place.block, Rotary)]
    assert len(found) == spec.model.num_layers
    assert found[0].size == spec.model.max_positions


def test_rotary_positions_given_to_the_embeddings_are_refused_and_say_where_they_belong():
    message = refusal("causal_lm", "model.nodes.embeddings.block.position={kind: rotary}")
    assert "inside attention; set them as its own 'position'" in message


def test_rotary_positions_are_refused_where_attention_has_its_own():
    message = refusal("gptj_tiny", "model.attention.position={kind: rotary, dims: 4}")
    assert "model.position: rotary" in message
    assert "has one of its own" in message


@pytest.mark.parametrize("family", FAMILIES)
def test_a_decoder_refuses_a_mask_that_shows_what_it_is_to_predict(family):
    assert "leave its mask out" in refusal(f"{family}_tiny", "model.attention.mask=bidirectional")


def test_a_slot_without_a_mask_is_causal_in_a_decoder():
    spec = load_spec("gpt2_tiny", ["model.attention={kind: attention, bias: false}"])
    assert spec.model.attention.mask == "causal"
    assert not any(name.endswith("query.bias") for name in spec.graph().parameters())


def test_causal_lm_refuses_a_model_whose_positions_see_those_after_them():
    message = refusal("bert_tiny", "task={kind: causal_lm}")
    assert "causal_lm" in message
    assert "encoder.layers.0.attention" in message
    causal = load_spec("bert_tiny", ["task={kind: causal_lm}", "model.attention.mask=causal"])
    assert "loss" in causal.graph().outputs


def test_layers_are_dense_and_banded_in_turn():
    spec = load_spec("gpt3_tiny", ["model.num_layers=5", "model.layer_pattern=[dense, banded, banded]"])
    found = [place for place in spec.graph().places() if place.path.endswith(".attention")]
    kinds = [isinstance(place.block, BandedAttention) for place in found]
    assert kinds == [False, True, True, False, True]
    assert {place.block.window for place in found if isinstance(place.block, BandedAttention)} == {32}


def test_banded_layers_have_no_names_in_transformers_and_dense_ones_have_gpt2_s():
    spec = load_spec("gpt3_tiny", ["model.layer_pattern=[dense]", "model.vocab_size=50"])
    weights = {name: np.zeros(each.shape) for name, each in spec.graph().parameters().items()}
    assert "transformer.h.1.attn.c_attn.weight" in to_transformers(spec, weights)
    with pytest.raises(InputError, match="gpt3"):
        to_transformers(load_spec("gpt3_tiny", ["model.vocab_size=50"]), weights)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_adds_to_the_residual_starts_smaller_by_the_root_of_how_many_do(family):
    table = load_spec(f"{family}_tiny", ["model.num_layers=8"]).graph().parameters()
    for name, parameter in table.items():
        if parameter.role in ("weight", "embedding"):
            last = name.endswith(("attention.project.weight", "feed_forward.outer.weight"))
            assert parameter.initializer.std == pytest.approx(0.02 / math.sqrt(16) if last else 0.02), name


def test_rotary_angles_are_the_paper_s():
    angles = rotary_angles(size=50, dims=6, base=100.0)
    wanted = [[p * 100.0 ** (-2 * i / 6) for i in range(3)] for p in range(50)]
    np.testing.assert_allclose(angles, wanted, rtol=1e-15)


def test_published_checkpoints_are_read_with_the_buffers_they_carry():
    spec = load_spec("gpt2_tiny", ["model.vocab_size=50", "model.max_positions=6"])
    rng = np.random.default_rng(0)
    weights = {name: rng.standard_normal(each.shape) for name, each in spec.graph().parameters().items()}
    bare = {name.removeprefix("transformer."): each for name, each in to_transformers(spec, weights).items()}
    del bare["lm_head.weight"]
    mask = np.tril(np.ones((1, 1, 6, 6), np.float32))
    buffers = {f"h.{layer}.attn.bias": mask for layer in range(2)}
    back = from_transformers(spec, {**bare, **buffers})
    assert all(np.array_equal(back[name], weights[name]) for name in weights)
    with pytest.raises(InputError, match="values differ"):
        from_transformers(spec, {**bare, "h.0.attn.bias": np.ones_like(mask)})
    with pytest.raises(InputError, match="no multiple of 3"):
        from_transformers(spec, {**bare, "h.0.attn.c_attn.bias": np.zeros(10)})


@pytest.mark.parametrize("family", FAMILIES)
def test_the_small_size_is_the_family_still(family):
    small = shrunk(load_spec(f"{family}_tiny"))
    assert small.model.hidden_size == 24
    assert small.graph().parameter_count < 20_000
