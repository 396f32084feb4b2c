"""Which weights a training changes and how fast: patterns of names, the ladder of layers, and what is refused."""

from __future__ import annotations

import re

import pytest

from zoo_common.memory import training_bytes
from zoo_spec import load_spec
from zoo_spec.errors import SpecError
from zoo_spec.trained import matches, trained


def spec_of(*overrides, name="bert_tiny_classification"):
    return load_spec(name, [f"training.{override}" for override in overrides])


def learned(*overrides, name="bert_tiny_classification"):
    spec = spec_of(*overrides, name=name)
    return trained(spec.graph(), spec.training)


@pytest.mark.parametrize(
    ("pattern", "name", "wanted"),
    [
        ("embeddings", "embeddings.token.weight", True),
        ("embeddings.*", "embeddings.token.weight", True),
        ("embed", "embeddings.token.weight", False),
        ("encoder.layers.1", "encoder.layers.1.attention.query.bias", True),
        ("encoder.layers.1", "encoder.layers.11.attention.query.bias", False),
        ("encoder.layers.[0-9]", "encoder.layers.9.attention.query.bias", True),
        ("encoder.layers.[0-9]", "encoder.layers.10.attention.query.bias", False),
        ("encoder.layers.[!0]", "encoder.layers.0.attention_norm.bias", False),
        ("*.bias", "encoder.layers.0.attention_norm.bias", True),
        ("*.Bias", "encoder.layers.0.attention_norm.bias", False),
        ("*norm*", "encoder.layers.0.attention_norm.bias", True),
    ],
)
def test_a_pattern_is_of_a_name_or_of_a_block_around_it(pattern, name, wanted):
    assert matches(pattern, name) is wanted


def test_what_is_frozen_has_no_rate_and_all_else_has():
    found = learned('freeze=["embeddings", "encoder.layers.0"]')
    assert all(name.startswith(("embeddings.", "encoder.layers.0.")) for name in found.frozen)
    assert found.frozen.isdisjoint(found.factors)
    table = spec_of().graph().parameters()
    assert found.frozen | set(found.factors) == set(table)
    assert set(learned().factors.values()) == {1.0}
    assert not learned().frozen


def test_layer_decay_is_the_usual_ladder_and_multipliers_go_on_top():
    found = learned("layer_decay=0.5", 'rate_multipliers={"*.bias": 4.0, "encoder.layers.0": 0.5}')
    wanted = {
        "embeddings.token.weight": 0.125,
        "embeddings.norm.bias": 0.5,
        "encoder.layers.0.attention.query.weight": 0.125,
        "encoder.layers.0.attention.query.bias": 0.5,
        "encoder.layers.1.feed_forward.outer.weight": 0.5,
        "pooler.dense.weight": 1.0,
        "classifier.dense.bias": 4.0,
    }
    assert {name: found.factors[name] for name in wanted} == wanted


def test_an_encoder_and_its_decoder_are_one_ladder():
    factors = learned("layer_decay=0.5", name="t5_tiny").factors
    for name, steps in {
        "encoder.layers.0.attention.query.weight": 4,
        "encoder.layers.1.attention.query.weight": 3,
        "encoder.norm.weight": 2,
        "decoder.layers.0.attention.query.weight": 2,
        "decoder.layers.1.attention.query.weight": 1,
        "decoder.norm.weight": 0,
    }.items():
        assert factors[name] == 0.5**steps, name


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ('freeze=["embeddings", "encoder.layer.1.*"]',
         r"training\.freeze\[1\]: 'encoder\.layer\.1\.\*' matches no weight \(did you mean 'encoder\.layers\.1'\?\)"),
        ("freeze=[Embeddings]", r"did you mean 'embeddings'\?"),
        ('freeze=["*"]', "freezes every weight"),
        ("freeze=[3]", r"training\.freeze\[0\]"),
        ('rate_multipliers={"clasifier": 2.0}', r"'clasifier' matches no weight \(did you mean 'classifier'\?\)"),
        ("rate_multipliers={embeddings: 0.0}", "must be greater than 0"),
        ("layer_decay=1.0", "must be less than 1"),
    ],
)  # fmt: skip
def test_a_pattern_that_matches_nothing_is_refused_with_what_is_near(override, message):
    with pytest.raises(SpecError, match=message):
        spec_of(override)


def test_what_would_have_no_effect_is_refused():
    with pytest.raises(SpecError, match="'embeddings' matches nothing that is trained"):
        spec_of("freeze=[embeddings]", "rate_multipliers={embeddings: 0.5}")
    with pytest.raises(SpecError, match=r"training\.layer_decay.*mnist_fc has none"):
        spec_of("layer_decay=0.9", name="mnist_fc")
    table = spec_of(name="unet_tiny").graph().parameters()
    half = next(name for name in table if name.endswith("running_mean"))
    with pytest.raises(SpecError, match="kept together, or not"):
        spec_of(f"freeze=[{half}]", name="unet_tiny")


def test_frozen_parts_take_no_gradient_no_moments_and_below_the_lowest_trained_part_no_activations():
    def bytes_of(*freeze, more=()):
        spec = load_spec("bert_base", [f"training.freeze={list(freeze)}", *more])
        graph = spec.graph()
        return training_bytes(spec, graph, "torch"), graph.parameters()

    (all_, table), (part, _), (top, _) = (
        bytes_of(*freeze)
        for freeze in ((), ("embeddings", "encoder.layers.[0-9]"), ("encoder.layers.1?", "pooler"))
    )
    below = sum(
        each.size
        for name, each in table.items()
        if name.startswith("embeddings.") or re.match(r"encoder\.layers\.\d\.", name)
    )
    assert all_["weights"] == part["weights"]
    assert part["gradients"] == all_["gradients"] - 4 * below
    assert part["optimizer"] == all_["optimizer"] - 8 * below
    assert part["activations"] < 0.25 * all_["activations"]
    assert top["activations"] == all_["activations"]  # What lies above a trained part is passed through.
    assert sum(part.values()) < 0.5 * sum(all_.values())


def test_what_is_frozen_is_passed_through_at_two_products_and_below_at_one():
    spec = load_spec("bert_base")
    graph, sizes = spec.graph(), {"batch": 2, "sequence": 64, "predictions": 4}
    names = list(graph.parameters())

    def row(block, *prefixes):
        frozen = [name for name in names if name.startswith(prefixes)]
        cost = graph.cost(frozen=frozen, **sizes)
        (found,) = [each for each in cost.blocks if each.name == block]
        return found

    query = "encoder.layers.5.attention.query"
    below = tuple(f"encoder.layers.{layer}." for layer in range(6))
    for prefixes, times in (((), 3), ((query,), 2), ((*below, "embeddings."), 1), (("embeddings.",), 3)):
        found = row(query, *(prefixes or ("nothing",)))
        assert found.training_flops == times * found.flops, prefixes
    lowest = row(query, "embeddings.", *below[:5])
    assert lowest.training_flops == 3 * lowest.flops  # Of a layer with trained weights all of it counts.
    assert row("encoder.layers.4", "embeddings.", *below).saved == 0
    assert row("encoder.layers.6", "embeddings.", *below).saved == row("encoder.layers.6", "nothing").saved
