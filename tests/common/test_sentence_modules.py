"""How a sentence-embedding folder says that its vectors are made, and what of that is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoo_common.published.sentence import read_sentence
from zoo_spec.errors import InputError

MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]


def folder(path: Path, pooling: object, modules: object = MODULES, **beside: object) -> Path:
    (path / "1_Pooling").mkdir(exist_ok=True)
    files = {"modules": modules, "1_Pooling/config": pooling, **beside}
    for name, content in files.items():
        (path / f"{name}.json").write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({}, ["mean_pooling"]),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ["first_token"]),
        (
            {"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True},
            ["max_pooling", "mean_pooling"],
        ),
        ({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}, ["last_token"]),
        (
            {"pooling_mode_weightedmean_tokens": True, "pooling_mode_mean_sqrt_len_tokens": True},
            ["mean_pooling", "square_root_pooling", "weighted_mean_pooling"],
        ),
        ({"pooling_mode": "cls", "include_prompt": True}, ["first_token"]),
        ({"pooling_mode": ["mean", "max"], "embedding_dimension": 8}, ["max_pooling", "mean_pooling"]),
    ],
)
def test_modes_become_poolings_in_the_order_of_their_vectors(tmp_path, config, kinds):
    found = read_sentence(folder(tmp_path, {"word_embedding_dimension": 8, **config}), 8)
    assert found is not None
    assert found.task == {"pooling": [{"kind": kind} for kind in kinds], "normalize": True}


def test_what_stands_beside_says_the_length_and_the_case(tmp_path):
    assert read_sentence(tmp_path, 8) is None
    where = folder(
        tmp_path,
        {},
        MODULES[:2],
        sentence_bert_config={"max_seq_length": 77, "do_lower_case": True},
        config_sentence_transformers={"prompts": {"query": "q: "}, "default_prompt_name": None},
    )
    found = read_sentence(where, 8)
    assert found is not None
    assert (found.longest, found.lower_case, found.task["normalize"]) == (77, True, False)


DENSE = {"idx": 2, "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
BAD = {
    "another module": ({}, [*MODULES[:2], DENSE], {}, "module 2 is Dense"),
    "no pooling": ({}, MODULES[:1], {}, "has no Pooling"),
    "a pooling elsewhere": ({}, [MODULES[0], {**MODULES[1], "path": "../1_Pooling"}], {}, "no folder beside it"),
    "no list": ({}, {}, {}, "a JSON list is expected"),
    "another width": ({"word_embedding_dimension": 9}, MODULES, {}, "is 9, and the model's hidden states have 8"),
    "another key": ({"pooling_mode_best": True}, MODULES, {}, "pooling_mode_best is not known"),
    "another mode": ({"pooling_mode": "best"}, MODULES, {}, "pooling_mode is 'best'"),
    "no mode": ({"pooling_mode_mean_tokens": False}, MODULES, {}, "no mode of pooling is on"),
    "prompts left out": ({"include_prompt": False}, MODULES, {}, "include_prompt is False"),
    "a prompt before all": ({}, MODULES, {"config_sentence_transformers": {"default_prompt_name": "q"}}, "is 'q'"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_would_compute_something_else_is_refused_by_name(tmp_path, what):
    pooling, modules, beside, message = BAD[what]
    with pytest.raises(InputError, match=message):
        read_sentence(folder(tmp_path, pooling, modules, **beside), 8)
