"""Every table of names and of a configuration is reversible, and tells shapes without values."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_common.interop import from_foreign, to_foreign
from zoo_common.published.spec import checked
from zoo_spec import load_spec
from zoo_spec.errors import InputError
from zoo_spec.foreign.layouts import HWIO, Chain, IntoHeads, OutOfHeads, Turned, WithoutFirstRows
from zoo_spec.foreign.transforms import Fused, WithoutBatch
from zoo_spec.models.base import Model
from zoo_spec.registry import classes

# A spec for each family and head that a source has names of.
SPECS = {
    "bert_tiny": {"google-research/bert": (), "keras_hub": ("task.kind=representation",)},
    "bert_tiny_classification": {"google-research/bert": (), "keras_hub": ()},
    "bert_tiny_squad": {"google-research/bert": ()},
    "roberta_tiny": {"keras_hub": ("model.type_vocab_size=0",), "fairseq": ("model.type_vocab_size=0",)},
    "gpt2_tiny": {"openai/gpt-2": (), "keras_hub": ()},
    "gpt_neox_tiny": {"keras_hub": ("model.tied_output=true",)},
    "t5_tiny": {"mesh-t5": (), "keras_hub": ()},
    "vit_tiny": {"vision_transformer": (), "keras_hub": ()},
}
CASES = [(spec, source, changes) for spec, sources in SPECS.items() for source, changes in sources.items()]


@pytest.mark.parametrize(("name", "source", "changes"), CASES)
def test_names_and_layouts_are_reversible(name, source, changes):
    spec = load_spec(name, overrides=changes)
    draw = np.random.default_rng(0)
    weights = {
        each: draw.standard_normal(parameter.shape).astype(np.float32)
        for each, parameter in spec.graph().parameters().items()
    }
    unused = getattr(spec.model.position, "offset", 0) if hasattr(spec.model, "position") else 0
    if unused and source == "keras_hub":
        weights["embeddings.position.weight"][:unused] = (
            0  # It has no place for them, and nothing reads them.
        )
    there = to_foreign(spec, source, weights)
    back = from_foreign(spec, source, there)
    assert set(back) == set(weights)
    for each, array in weights.items():
        np.testing.assert_array_equal(back[each], array)
    graph = spec.graph()
    rows = spec.model.foreign_names()[source].names(weights, nodes=graph.nodes).rows
    for row in rows:
        ours = tuple(weights[each].shape for each in row.canonical)
        theirs = tuple(there[each].shape for each in row.foreign)
        assert row.transform.read_shapes(theirs) == ours
        assert row.transform.write_shapes(ours) == theirs


KERAS = {"vocabulary_size": 40, "num_layers": 3, "num_heads": 4, "hidden_dim": 32, "intermediate_dim": 50}
CONFIGS = {
    ("bert", "google-research/bert"): {
        "vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
        "intermediate_size": 50, "hidden_act": "gelu", "max_position_embeddings": 20, "type_vocab_size": 3,
    },
    ("bert", "keras_hub"): {**KERAS, "max_sequence_length": 20, "num_segments": 3, "dropout": 0.3},
    ("roberta", "keras_hub"): {**KERAS, "max_sequence_length": 20},
    ("gpt2", "openai/gpt-2"): {"n_vocab": 40, "n_ctx": 20, "n_embd": 32, "n_head": 4, "n_layer": 3},
    ("gpt2", "keras_hub"): {**KERAS, "max_sequence_length": 20},
    ("gpt_neox", "keras_hub"): {
        **KERAS, "max_sequence_length": 20, "layer_norm_epsilon": 1e-4, "rotary_percentage": 0.5,
        "rotary_max_wavelength": 5000,
    },
    ("t5", "mesh-t5"): {
        "vocab_size": 40, "d_model": 32, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4,
        "key_value_size": 9, "d_ff": 50, "gated": True, "num_buckets": 32, "logits": True,
    },
    ("t5", "keras_hub"): {
        **KERAS, "key_value_dim": 9, "activation": "gelu", "use_gated_activation": True,
        "layer_norm_epsilon": 1e-4, "tie_embedding_weights": False,
    },
    ("vit", "vision_transformer"): {
        "image_size": 24, "patch_size": 4, "channels": 3, "hidden_size": 32, "num_layers": 3, "num_heads": 4,
        "mlp_dim": 50,
    },
    ("vit", "keras_hub"): {
        "image_shape": [24, 16, 3], "patch_size": [4, 4], "num_layers": 3, "num_heads": 4, "hidden_dim": 32,
        "mlp_dim": 50, "layer_norm_epsilon": 1e-4,
    },
}  # fmt: skip


@pytest.mark.parametrize(("kind", "source"), CONFIGS)
def test_a_configuration_is_read_and_written_alike(kind, source):
    config = CONFIGS[kind, source]
    table = classes(Model)[kind].foreign_configs()[source]
    read = table.read(config)
    assert not read.unknown
    written = table.write(fields_of(kind, read.model))
    assert {key: written[key] for key in config} == config
    # Each key says something of its own.
    for key, value in config.items():
        other = {**config, key: another(key, value)}
        assert table.read(other).model != read.model, key


def another(key: str, value: object) -> object:
    """A value that a key may have instead."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value * 2
        case str():
            return "relu"
    return [8, 8, 3] if key == "image_shape" else [8, 8]


@pytest.mark.parametrize(
    ("kind", "source", "change", "says"),
    [
        (
            "bert",
            "google-research/bert",
            {"activation": "gelu_erf"},
            "model.activation: gelu_erf has no name there",
        ),
        ("bert", "keras_hub", {"layer_norm_epsilon": 1e-5}, "KerasHub's BERT computes with 1e-12"),
        ("gpt2", "openai/gpt-2", {"intermediate_size": 50}, "is not four times hidden_size"),
        ("t5", "keras_hub", {"num_decoder_layers": 1}, "has one number for both"),
        ("vit", "vision_transformer", {"image_size": [24, 16]}, "images are square there"),
    ],
)
def test_a_model_that_a_source_cannot_say_is_refused_by_its_field(kind, source, change, says):
    table = classes(Model)[kind].foreign_configs()[source]
    model = fields_of(kind, {**table.read(CONFIGS[kind, source]).model, **change})
    with pytest.raises(InputError, match=says):
        table.write(model)


def fields_of(kind: str, said: dict) -> dict:
    """All fields of the model of which some are said."""
    model = checked("x", "x", {"model": {"kind": kind, **said}}).model
    return model.model_dump(mode="json", serialize_as_any=True)


@pytest.mark.parametrize(
    ("transform", "shape"),
    [
        (IntoHeads(3), (5, 3, 4)),
        (IntoHeads(3), (3, 4)),
        (OutOfHeads(3), (3, 4, 5)),
        (HWIO, (2, 3, 4, 5)),
        (Turned((1, 2, 0)), (2, 3, 4)),
        (WithoutFirstRows(2), (6, 3)),
        (Chain(WithoutBatch(), Fused(3, transposed=True)), (1, 4, 12)),
        (Chain(IntoHeads(2), Fused(3, heads=2)), (5, 2, 9)),
    ],
)
def test_a_layout_is_read_written_and_told_by_shapes_alike(transform, shape):
    given = np.arange(np.prod(shape)).reshape(shape)
    read = transform.read((given,))
    assert transform.read_shapes((shape,)) == tuple(array.shape for array in read)
    (back,) = transform.write(read)
    np.testing.assert_array_equal(back, given)
    assert transform.write_shapes(tuple(array.shape for array in read)) == (shape,)


@pytest.mark.parametrize(
    ("transform", "shape", "says"),
    [
        (IntoHeads(3), (5, 2, 4), r"has the shape \[5, 2, 4\], which is not that of 3 heads"),
        (IntoHeads(3), (5,), r"has the shape \[5\]"),
        (OutOfHeads(3), (2, 4, 5), "not that of 3 heads"),
        (HWIO, (2, 3), r"has the shape \[2, 3\], and 4 sizes are expected"),
    ],
)
def test_a_layout_refuses_a_shape_that_it_does_not_have(transform, shape, says):
    with pytest.raises(ValueError, match=says):
        transform.read_shapes((shape,))
