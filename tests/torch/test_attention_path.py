"""Attention takes the path that was measured for its kind, and both give the same."""

from __future__ import annotations

import pytest
import torch

import zoo_torch
from zoo_spec import load_spec
from zoo_spec.shrink import shrunk
from zoo_torch import attention_path
from zoo_torch.attention_path import LENGTHS
from zoo_torch.blocks import attend as blocks
from zoo_torch.blocks.attend import UNMEASURED, OpenLengths
from zoo_torch.blocks.attention import Attention


@pytest.fixture
def timed(monkeypatch, tmp_path):
    """Measuring, with times that say how long a row is worth the open way, by kind and pass."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ZOO_CHOICES", raising=False)
    attention_path._choices.cache_clear()
    longest = {("causal", "training"): 64, ("causal", "forward"): 0, ("masked", "training"): 256}
    asked = []

    def rounds(length, head_size, mask):
        asked.append((length, head_size, mask))
        return {
            what: {"open": [1.0] * 3, "fused": [2.0 if length <= longest.get((mask, what), 128) else 0.5] * 3}
            for what in ("forward", "training")
        }

    monkeypatch.setattr(attention_path, "_rounds", rounds)
    yield asked
    attention_path._choices.cache_clear()


def attentions(model):
    return [module for module in model.modules() if isinstance(module, Attention)]


def test_each_kind_has_its_own_length_which_is_measured_once(timed):
    spec = shrunk(load_spec("gpt2_tiny"))
    expected = OpenLengths(training=64, forward=0, masked_training=256, masked_forward=128)
    for _ in range(2):
        assert {module.open_lengths for module in attentions(zoo_torch.compile(spec))} == {expected}
    assert len(timed) == len(set(timed)) <= 2 * len(LENGTHS)


def test_half_and_double_width_and_what_has_no_memory_are_not_measured(timed):
    spec = shrunk(load_spec("gpt2_tiny"))
    for given in ({"dtype": "bfloat16"}, {"dtype": "float64"}, {"device": "meta"}):
        models = attentions(zoo_torch.compile(spec, **given))
        assert {module.open_lengths for module in models} == {UNMEASURED}
    assert timed == []


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("learns", [False, True])
def test_a_row_is_computed_in_the_open_up_to_its_kinds_length(monkeypatch, masked, learns):
    taken = []
    for name in ("in_the_open", "fused"):
        way = getattr(blocks, name)
        monkeypatch.setattr(
            blocks, name, lambda *a, name=name, way=way, **k: taken.append(name) or way(*a, **k)
        )
    lengths = OpenLengths(training=2, forward=4, masked_training=6, masked_forward=8)
    longest = {(False, True): 2, (False, False): 4, (True, True): 6, (True, False): 8}[masked, learns]
    attention = Attention(hidden_size=8, num_heads=2, causal=True, bias=True, dropout=0.0)
    found = {}
    for given in (lengths, OpenLengths(0, 0, 0, 0)):
        attention.open_lengths = given
        for length in (longest, longest + 1):
            x = torch.linspace(-1, 1, length * 8).reshape(1, length, 8)
            ids = torch.ones(1, length, dtype=torch.int32) if masked else None
            with torch.set_grad_enabled(learns):
                found.setdefault(length, []).append(attention(x, example_ids=ids).detach())
    assert taken == ["in_the_open", "fused", "fused", "fused"]
    for one, other in found.values():
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_what_is_measured_are_both_ways_of_the_same(monkeypatch):
    monkeypatch.setattr(attention_path, "SCORES", 1 << 10)
    q, k, v = torch.randn(3, 1, 2, 16, 8, generator=torch.Generator().manual_seed(1))
    for mask in ("plain", "masked", "causal"):
        one, other = (way(q, k, v) for way in attention_path._ways(16, 0.3, mask).values())
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
        rounds = attention_path._rounds(16, 8, mask)
        assert {len(each) for ways in rounds.values() for each in ways.values()} == {attention_path.ROUNDS}
