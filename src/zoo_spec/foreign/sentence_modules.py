"""How ``sentence-transformers`` says in ``modules.json`` and beside it what makes one vector of a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

MODULES = "modules.json"
POOLING = "1_Pooling/config.json"
SETTINGS = "sentence_bert_config.json"
MODES = (
    ("pooling_mode_cls_token", "cls", "first_token"),
    ("pooling_mode_max_tokens", "max", "max_pooling"),
    ("pooling_mode_mean_tokens", "mean", "mean_pooling"),
    ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", "square_root_pooling"),
    ("pooling_mode_weightedmean_tokens", "weightedmean", "weighted_mean_pooling"),
    ("pooling_mode_lasttoken", "lasttoken", "last_token"),
)
"""The key of each mode, its name, and our block, in the order in which their vectors stand side by side."""


def written(
    pooling: Sequence[str], *, normalize: bool, width: int, longest: int | None
) -> dict[str, JsonValue]:
    """The files, by name, that say these poolings of hidden states so wide, of texts of so many tokens.

    Raises ValueError for a pooling that it does not have, or another order than its own.
    """
    known = [kind for _, _, kind in MODES if kind in pooling]
    if list(pooling) != known:
        raise ValueError(
            f"task.pooling is {', '.join(pooling)}, and sentence-transformers has them in the order "
            f"{', '.join(kind for _, _, kind in MODES)}, each once"
        )
    types = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    modules: list[JsonValue] = [
        {
            "idx": number,
            "name": str(number),
            "path": f"{number}_{name}" if number else "",
            "type": f"sentence_transformers.models.{name}",
        }
        for number, name in enumerate(types)
    ]
    modes: Mapping[str, JsonValue] = {key: kind in pooling for key, _, kind in MODES}
    settings: dict[str, JsonValue] = {"max_seq_length": longest, "do_lower_case": False}
    return {MODULES: modules, POOLING: {"word_embedding_dimension": width, **modes}, SETTINGS: settings}
