"""How a model's own texts are made and read, as its tokenizer, its graph and its data say it."""

from __future__ import annotations

from collections.abc import Sequence

from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.decoding import Generation
from zoo_spec.data import Data
from zoo_spec.data.target_text import TargetTextData
from zoo_spec.graph import Graph

_MOST = 128
"""Tokens of an answer where neither the data nor the model bounds it."""


def most_target(data: TargetTextData) -> int:
    """Tokens of a target, its end included, in a causal model's example; two are for the text."""
    return max(min(data.target_length or data.sequence_length // 2, data.sequence_length - 2), 1)


def generation_of(tokenizer: Subwords, graph: Graph, data: Data) -> Generation:
    """What decodes for a graph: by its decoder, or as a causal model goes on behind a separator."""
    is_causal = "decoder_input_ids" not in graph.inputs
    bound = graph.bounds.get("sequence" if is_causal else "target_sequence")
    longest = _MOST if bound is None or bound.maximum is None else bound.maximum
    most = longest
    if isinstance(data, TargetTextData):
        most = most_target(data) if is_causal else data.most_target
    return Generation(
        pad=tokenizer.pad,
        end=tokenizer.sep,
        kinds=tokenizer.size,
        most=most,
        longest=longest,
        inputs=frozenset(graph.inputs),
    )


def text_of(tokens: Sequence[int], tokenizer: Subwords) -> tuple[str, bool]:
    """What generated tokens say, and whether they came to their end."""
    is_finished = bool(tokens) and tokens[-1] == tokenizer.sep
    return tokenizer.decode(tokens[:-1] if is_finished else tokens).strip(), is_finished
