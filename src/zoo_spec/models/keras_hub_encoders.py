"""BERT, RoBERTa and ViT as KerasHub's presets have them."""

from __future__ import annotations

from pydantic import JsonValue

from zoo_spec.foreign.always import Always
from zoo_spec.foreign.config import Config, ConfigTable, Fields, Key, Keys, Only
from zoo_spec.foreign.hub import labelled, plain
from zoo_spec.foreign.keras_hub import (
    LAYERS,
    OPTIMIZER,
    TASK,
    attention,
    counted,
    dense,
    masked_lm,
    pair,
    transformer_layer,
)
from zoo_spec.foreign.layouts import HWIO, WithoutFirstRows
from zoo_spec.foreign.names import Entry, Fixed, NameTable, Part
from zoo_spec.foreign.transforms import WithoutBatch

_BLOCKS = f"{LAYERS}/vi_t_encoder/encoder_layers"
_PATCHES = f"{LAYERS}/vi_t_patching_and_embedding"


def _layers(layers: int, heads: int) -> list[Entry]:
    return [
        entry
        for layer in range(layers)
        for entry in transformer_layer(
            f"encoder.layers.{layer}", f"{LAYERS}/{counted('transformer_encoder', layer)}", heads
        )
    ]


def bert_names(layers: int, heads: int) -> NameTable:
    """The names of a BERT of so many layers and heads."""
    body = (
        Entry("embeddings.token.weight", f"{LAYERS}/reversible_embedding/vars/0"),
        Entry("embeddings.position.weight", f"{LAYERS}/position_embedding/vars/0"),
        Entry("embeddings.token_type.weight", f"{LAYERS}/embedding/vars/0"),
        *pair("embeddings.norm", f"{LAYERS}/layer_normalization"),
        *_layers(layers, heads),
        *dense("pooler.dense", f"{LAYERS}/dense", optional=True),
    )
    return NameTable(
        backbone=Part(entries=body, unused=OPTIMIZER),
        heads=(
            # The body's GELU is by tanh, the head's is not.
            Part(entries=masked_lm(), fixed=(Fixed("masked_lm", "activation", "gelu_erf"),)),
            Part(entries=dense("classifier.dense", f"{TASK}/dense")),
        ),
    )


def roberta_names(layers: int, heads: int, unused: int) -> NameTable:
    """The names of a RoBERTa of so many layers and heads, whose positions lack their ``unused`` first rows."""
    table = f"{LAYERS}/token_and_position_embedding"
    body = (
        Entry("embeddings.token.weight", f"{table}/token_embedding/vars/0"),
        Entry("embeddings.position.weight", f"{table}/position_embedding/vars/0", WithoutFirstRows(unused)),
        *pair("embeddings.norm", f"{LAYERS}/layer_normalization"),
        *_layers(layers, heads),
    )
    return NameTable(
        backbone=Part(entries=body, unused=OPTIMIZER),
        heads=(
            Part(entries=masked_lm(), fixed=(Fixed("masked_lm", "activation", "gelu_erf"),)),
            Part(
                entries=(
                    *dense("pooler.dense", f"{TASK}/dense"),
                    *dense("classifier.dense", f"{TASK}/dense_1"),
                )
            ),
        ),
    )


def vit_names(layers: int, heads: int) -> NameTable:
    """The names of a ViT of so many layers and heads."""
    body: list[Entry] = [
        Entry("embeddings.class_token", f"{_PATCHES}/vars/0", WithoutBatch()),
        *pair("embeddings.patch", f"{_PATCHES}/patch_embedding", HWIO),
        Entry("embeddings.position.weight", f"{_PATCHES}/position_embedding/vars/0"),
        *pair("encoder.norm", f"{LAYERS}/vi_t_encoder/layer_norm"),
    ]
    for layer in range(layers):
        ours, theirs = f"encoder.layers.{layer}", f"{_BLOCKS}/{counted('vi_t_encoder_block', layer)}"
        body += attention(f"{ours}.attention", f"{theirs}/mha", heads)
        body += pair(f"{ours}.attention_norm", f"{theirs}/layer_norm_1")
        body += pair(f"{ours}.feed_forward_norm", f"{theirs}/layer_norm_2")
        body += dense(f"{ours}.feed_forward.inner", f"{theirs}/mlp/dense_1")
        body += dense(f"{ours}.feed_forward.outer", f"{theirs}/mlp/dense_2")
    return NameTable(
        backbone=Part(entries=tuple(body), unused=OPTIMIZER),
        heads=(Part(entries=dense("classifier.dense", f"{TASK}/dense")),),
    )


SIZES = (
    Key("vocabulary_size", "vocab_size", None),
    Key("num_layers", "num_layers", None),
    Key("num_heads", "num_heads", None),
    Key("hidden_dim", "hidden_size", None),
    Key("intermediate_dim", "intermediate_size", None),
)
"""What most of KerasHub's backbones call their sizes; each has to be said."""
RATES = (
    Keys(
        {"dropout": 0.1},
        lambda config: dict.fromkeys(("dropout", "attention_dropout"), config["dropout"]),
        lambda model: {"dropout": model["dropout"]},
    ),
)
SAYS_NOTHING = frozenset(("name", "trainable", "dtype", "activation", "num_labels"))
"""Of every layer; ``activation`` and ``num_labels`` of a task's head."""

BERT_CONFIG = ConfigTable(
    model_type="BertBackbone",
    says=(
        *SIZES,
        Key("max_sequence_length", "max_positions", 512),
        Key("num_segments", "type_vocab_size", 2),
        Always("KerasHub's BERT", {"activation": "gelu_tanh", "layer_norm_epsilon": 1e-12}),
    ),
    training=RATES,
    nothing=SAYS_NOTHING,
    tasks=(
        plain("BertBackbone", "representation"),
        plain("BertMaskedLM", "masked_lm"),
        labelled("BertTextClassifier", "sequence_classification"),
    ),
)


def _offset(config: Config) -> Fields:
    return {"position": {"kind": "offset_positions", "offset": 2, "size": config["max_sequence_length"]}}


def _cut(model: Fields) -> Config:
    position = model["position"]
    if not isinstance(position, dict) or position["kind"] != "offset_positions" or position["offset"] != 2:
        raise ValueError(
            "model.position is not offset_positions of offset 2, and KerasHub's RoBERTa has no others"
        )
    return {"max_sequence_length": position["size"]}


ROBERTA_CONFIG = ConfigTable(
    model_type="RobertaBackbone",
    says=(
        *SIZES,
        Keys({"max_sequence_length": 512}, _offset, _cut),
        Always(
            "KerasHub's RoBERTa",
            {"activation": "gelu_erf", "layer_norm_epsilon": 1e-5, "type_vocab_size": 0},
        ),
    ),
    training=RATES,
    nothing=SAYS_NOTHING,
    tasks=(
        plain("RobertaBackbone", "representation"),
        plain("RobertaMaskedLM", "masked_lm"),
        labelled("RobertaTextClassifier", "sequence_classification"),
    ),
)


def _images(config: Config) -> Fields:
    shape, patch = config["image_shape"], config["patch_size"]
    sides = patch if isinstance(patch, list) else [patch, patch]
    if not isinstance(shape, list) or len(shape) != 3 or not all(isinstance(size, int) for size in shape):
        raise ValueError(f"image_shape is {shape!r}, and height, width and channels are expected")
    if len(sides) != 2 or sides[0] != sides[1]:
        raise ValueError(f"patch_size is {patch!r}, and patches are square here")
    return {"image_size": shape[:2], "channels": shape[2], "patch_size": sides[0]}


def _shape(model: Fields) -> Config:
    sides = model["position_image_size"] or model["image_size"]
    assert isinstance(sides, list | tuple)
    patch: JsonValue = [model["patch_size"], model["patch_size"]]
    return {"image_shape": [*sides, model["channels"]], "patch_size": patch}


VIT_CONFIG = ConfigTable(
    model_type="ViTBackbone",
    says=(
        Keys({"image_shape": None, "patch_size": None}, _images, _shape),
        *SIZES[1:4],
        Key("mlp_dim", "intermediate_size", None),
        Key("layer_norm_epsilon", "layer_norm_epsilon", 1e-6),
        Always("KerasHub's ViT", {"activation": "gelu_erf"}),
    ),
    training=(Key("dropout_rate", "dropout", 0.0), Key("attention_dropout", "attention_dropout", 0.0)),
    only=(
        Only("use_mha_bias", (True,), "queries, keys and values have biases here"),
        Only("use_mlp_bias", (True,), "feed-forward blocks have biases here"),
        Only("use_class_token", (True,), "what is read of an image is the class token here"),
        Only("use_patch_bias", (True,), "patches have a bias here"),
        Only(
            "data_format", ("channels_last", None), "the order of image_shape is height, width, channels here"
        ),
        Only("pooling", ("token",), "a classifier reads the class token here", of=("image_classification",)),
        Only("intermediate_dim", (None,), "no layer stands before a head here", of=("image_classification",)),
    ),
    nothing=SAYS_NOTHING | {"dropout"},
    tasks=(plain("ViTBackbone", "representation"), labelled("ViTImageClassifier", "image_classification")),
    authors={"activation": ("gelu_tanh", "flax, which trained the published weights, computes GELU by tanh")},
)

LAYER_NAMES = {
    "BertMaskedLM": {"layers/dense": "pooled_dense"},
    "BertTextClassifier": {"layers/dense": "pooled_dense", "task/layers/dense": "logits"},
    "RobertaTextClassifier": {"task/layers/dense": "pooled_dense", "task/layers/dense_1": "logits"},
    "ViTImageClassifier": {"task/layers/dense": "predictions"},
    "BertBackbone": {"layers/dense": "pooled_dense", "layers/embedding": "segment_embedding"},
    "T5Backbone": {
        "layers/t5_layer_norm": "encoder_output_layer_norm",
        "layers/t5_layer_norm_1": "decoder_output_layer_norm",
    },
}
"""What layers call themselves that only their order tells from others of their class."""
