"""What fairseq's configurations of all families share: activations, one epsilon, convolutions written as Python."""

from __future__ import annotations

import ast

from pydantic import JsonValue

from zoo_spec.foreign.config import Config, Fields, Keys, Only, Words
from zoo_spec.foreign.hub import keys

ACTIVATIONS = Words(
    (
        ("gelu", "gelu_erf"),
        ("gelu_accurate", "gelu_tanh"),
        ("gelu_fast", "gelu_tanh"),
        ("relu", "relu"),
        ("swish", "silu"),
        ("tanh", "tanh"),
    )
)
"""What ``fairseq.utils.get_activation_fn`` knows, as far as it is here."""


def _epsilon(model: Fields) -> Config:
    if model["layer_norm_epsilon"] != 1e-5:
        raise ValueError(
            f"model.layer_norm_epsilon is {model['layer_norm_epsilon']}, and fairseq has 1e-5 in every norm"
        )
    return {}


EPSILON = Keys({}, lambda _: {"layer_norm_epsilon": 1e-5}, _epsilon)
"""``torch.nn.LayerNorm``'s own, which no configuration of fairseq changes."""

NORM_FIRST = Only(
    "encoder_normalize_before", (False, None), "norms stand behind each half of a layer in this family, here"
)
COMMON = (
    Only("adaptive_input", (False, None), "a table of words whose width falls with their rank is not read"),
    Only("adaptive_softmax_cutoff", (None,), "an output whose width falls with the words' rank is not read"),
    Only("encoder_layers_to_keep", (None,), "keep all layers, and cut them out afterwards"),
    Only("decoder_layers_to_keep", (None,), "keep all layers, and cut them out afterwards"),
    Only("no_token_positional_embeddings", (False, None), "positions are told apart here"),
    Only("quant_noise_pq", (0, 0.0, None), "quantized weights are not read"),
    Only("quant_noise_scalar", (0, 0.0, None), "quantized weights are not read"),
)
"""What every family refuses."""

NOTHING = keys(
    """
    _name arch checkpoint_activations encoder_layerdrop decoder_layerdrop fp16 freeze_encoder_updates layerdrop
    max_source_positions max_target_positions max_positions min_params_to_wrap offload_activations
    quant_noise_pq_block_size tokens_per_sample pooler_dropout data seed
    """
)
"""Keys that change nothing of what is computed, or whose value tensors' shapes tell."""


def convolutions(text: JsonValue) -> list[tuple[int, int, int]]:
    """``[(512, 10, 5)] + [(512, 3, 2)] * 4``, which fairseq evaluates, read as the list that it says.

    Raises ValueError for anything but lists of three numbers, added and repeated.
    """
    if not isinstance(text, str) or len(text) > 2000:
        raise ValueError("no list of convolutions")
    try:
        found = _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError("no list of convolutions") from None
    if not found:
        raise ValueError("an empty list of convolutions")
    return found


def _value(node: ast.expr) -> list[tuple[int, int, int]]:
    if isinstance(node, ast.List):
        return [_triple(each) for each in node.elts]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _value(node.left) + _value(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        times = node.right.value if isinstance(node.right, ast.Constant) else None
        if type(times) is int and 0 <= times <= 100:
            return (_value(node.left) * times)[:1000]
    raise ValueError("no list of convolutions, added and repeated")


def _triple(node: ast.expr) -> tuple[int, int, int]:
    parts = node.elts if isinstance(node, ast.Tuple | ast.List) else []
    numbers = [part.value for part in parts if isinstance(part, ast.Constant)]
    sizes = [number for number in numbers if type(number) is int and number > 0]
    if len(parts) != 3 or len(sizes) != 3:
        raise ValueError("a convolution is not (channels, size, stride)")
    return sizes[0], sizes[1], sizes[2]
