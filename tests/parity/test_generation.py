"""Greedy decoding in both frameworks, against ``generate`` of ``transformers`` on the same weights, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from references import FAMILIES
from zoo_common.backend import find_backend
from zoo_common.decoding import Generation
from zoo_common.interop import to_transformers
from zoo_common.weights import Arrays

END, PAD, MOST = 1, 0, 7


def weights_of(spec):
    """Order one, but for biases, with which all that is written would be the same token."""
    rng = np.random.default_rng(5)
    found = {}
    for name, each in spec.graph().parameters().items():
        drawn = rng.standard_normal(each.shape)
        if len(each.shape) == 1:
            found[name] = 0.1 * drawn + (0.0 if name.endswith("bias") else 1.0)
        else:
            found[name] = drawn * (1.5 / np.sqrt(each.shape[-1]) if each.role == "weight" else 1.0)
    return found


def rows(kinds: int) -> list[list[int]]:
    draw = np.random.default_rng(2)
    return [draw.integers(2, kinds, size).tolist() for size in (5, 3, 5, 4)]


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_both_frameworks_write_what_transformers_does(family):
    row = FAMILIES[family]
    spec, reference = row.spec(), row.build_reference()
    weights = weights_of(spec)
    tensors = to_transformers(spec, weights)
    reference.load_state_dict(
        {name: torch.from_numpy(each.copy()) for name, each in tensors.items()}, strict=True
    )
    graph = spec.graph()
    kinds, is_causal = graph.table_rows()["input_ids"], "decoder_input_ids" not in graph.inputs
    begun = rows(kinds)
    options = {
        "do_sample": False,
        "num_beams": 1,
        "max_new_tokens": MOST,
        "eos_token_id": END,
        "pad_token_id": PAD,
    }
    if not is_causal:
        options["decoder_start_token_id"] = PAD
    expected = []
    with torch.no_grad():
        for each in begun:
            ids = torch.tensor([each])
            found = (
                reference.double()
                .eval()
                .generate(ids, attention_mask=torch.ones_like(ids), **options)[0]
                .tolist()
            )
            expected.append(found[len(each) if is_causal else 1 :])
    assert len({token for each in expected for token in each}) > 3
    width = max(map(len, begun))
    batch = {
        "input_ids": np.asarray([[*each, *[PAD] * (width - len(each))] for each in begun], np.int32),
        "example_ids": np.asarray([[1] * len(each) + [0] * (width - len(each)) for each in begun], np.int32),
    }
    generation = Generation(
        pad=PAD, end=END, kinds=kinds, most=MOST, longest=width + MOST, inputs=frozenset(graph.inputs)
    )
    for framework in ("torch", "tf"):
        model = find_backend(framework)().for_inference(graph, Arrays(weights), dtype="float64", device="cpu")
        assert generation.of(model.predict_step, batch) == expected
