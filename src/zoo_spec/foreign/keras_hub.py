"""What the names of KerasHub's presets share: layers by class and number, variables by number.

keras-hub 0.32: src/utils/preset_utils.py, src/models/*/*_backbone.py; keras: src/saving/saving_lib.py. ``task/``
stands in front of what is in ``task.weights.h5``, whose paths can be those of ``model.weights.h5``.
"""

from __future__ import annotations

from collections.abc import Iterator

from zoo_spec.foreign.layouts import IntoHeads, OutOfHeads
from zoo_spec.foreign.names import Entry
from zoo_spec.foreign.transforms import SAME, TRANSPOSE, Transform

LAYERS, TASK = "layers", "task/layers"
OPTIMIZER = ("task/optimizer/vars/{number}", "optimizer/vars/{number}")
"""Of a task that was not trained: how often, and how fast. Nothing reads it."""


def counted(name: str, index: int) -> str:
    """The name of the layer of this index among those of its class."""
    return f"{name}_{index}" if index else name


def pair(
    ours: str, theirs: str, transform: Transform = SAME, *, optional: bool = False
) -> tuple[Entry, Entry]:
    """A layer with a weight, which is kept otherwise, and a bias, which is not."""
    return (
        Entry(f"{ours}.weight", f"{theirs}/vars/0", transform, optional),
        Entry(f"{ours}.bias", f"{theirs}/vars/1", optional=optional),
    )


def dense(ours: str, theirs: str, *, optional: bool = False) -> tuple[Entry, Entry]:
    """A dense layer, ``[in, out]``."""
    return pair(ours, theirs, TRANSPOSE, optional=optional)


def attention(ours: str, theirs: str, heads: int) -> Iterator[Entry]:
    """Keras' MultiHeadAttention, or KerasHub's, of so many heads."""
    inside = IntoHeads(heads)
    for name in ("query", "key", "value"):
        yield Entry(f"{ours}.{name}.weight", f"{theirs}/{name}_dense/vars/0", inside)
        yield Entry(f"{ours}.{name}.bias", f"{theirs}/{name}_dense/vars/1", inside)
    yield from pair(f"{ours}.project", f"{theirs}/output_dense", OutOfHeads(heads))


def transformer_layer(ours: str, theirs: str, heads: int) -> Iterator[Entry]:
    """KerasHub's TransformerEncoder, and its TransformerDecoder without a second sequence."""
    yield from attention(f"{ours}.attention", f"{theirs}/_self_attention_layer", heads)
    yield from pair(f"{ours}.attention_norm", f"{theirs}/_self_attention_layer_norm")
    yield from dense(f"{ours}.feed_forward.inner", f"{theirs}/_feedforward_intermediate_dense")
    yield from dense(f"{ours}.feed_forward.outer", f"{theirs}/_feedforward_output_dense")
    yield from pair(f"{ours}.feed_forward_norm", f"{theirs}/_feedforward_layer_norm")


def masked_lm(theirs: str = f"{TASK}/masked_lm_head") -> tuple[Entry, ...]:
    """KerasHub's MaskedLMHead, whose matrix is the table."""
    return (
        *dense("masked_lm.dense", f"{theirs}/_intermediate_dense"),
        *pair("masked_lm.norm", f"{theirs}/_intermediate_layer_norm"),
        Entry("masked_lm.decoder.bias", f"{theirs}/vars/0"),
    )
