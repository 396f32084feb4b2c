"""HuBERT, base and large: representation, CTC, and the pre-training head by the paper's formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from torch import Tensor, nn

from references.base import ACTIVATIONS, BATCH, Arrays, Family
from zoo_spec.experiment import ExperimentSpec

SAMPLES = 215
CLASSES, CODE_SIZE = 7, 11
LENGTHS = (215, 150, 93)  # of the waveforms, where rows are padded
ENCODER = {"channels": (7, 12, 10), "sizes": (7, 4, 3), "strides": (3, 2, 2)}
LARGE_ENCODER = {
    **ENCODER,
    "bias": True,
    "first_norm": {"kind": "layer_norm", "epsilon": 1e-5},
    "norm": {"kind": "layer_norm", "epsilon": 1e-5},
}
# An epsilon large enough to show at 1e-10, a kernel that sees both ends, and sizes that no published model has.
BASE = {
    "waveform_encoder": ENCODER,
    "position": {"kind": "convolutional_position", "size": 8, "groups": 3},
    "hidden_size": 48,
    "num_layers": 2,
    "num_heads": 4,
    "intermediate_size": 83,
    "max_samples": 300,
    "layer_norm_epsilon": 3e-3,
}
LARGE = {
    **BASE,
    "waveform_encoder": LARGE_ENCODER,
    "position": {"kind": "convolutional_position", "size": 5, "groups": 3},
    "norm_place": "before",
}


def hubert_config(model: Any) -> transformers.HubertConfig:
    encoder = model.waveform_encoder
    return transformers.HubertConfig(
        conv_dim=list(encoder.channels),
        conv_kernel=list(encoder.sizes),
        conv_stride=list(encoder.strides),
        conv_bias=encoder.bias,
        feat_extract_norm="group" if encoder.norm is None else "layer",
        num_conv_pos_embeddings=model.position.size,
        num_conv_pos_embedding_groups=model.position.groups,
        do_stable_layer_norm=model.norm_place == "before",
        hidden_size=model.hidden_size,
        num_hidden_layers=model.num_layers,
        num_attention_heads=model.num_heads,
        intermediate_size=model.intermediate_size,
        hidden_act=ACTIVATIONS[model.activation],
        layer_norm_eps=model.layer_norm_epsilon,
        vocab_size=CLASSES,
        attn_implementation="sdpa",
    )


def waveform_inputs(spec: ExperimentSpec, variant: str) -> Arrays:
    """``variant``: ``full`` or ``padded``, ``-masked`` or not."""
    rng = np.random.default_rng(11)
    lengths = LENGTHS if variant.startswith("padded") else (SAMPLES,) * BATCH
    real = np.arange(SAMPLES) < np.array(lengths)[:, None]
    size, stride = spec.model.waveform_encoder.frame
    frames = (SAMPLES - size) // stride + 1
    masked = rng.random((BATCH, frames)) < 0.4
    inputs = {
        "waveform": rng.standard_normal((BATCH, SAMPLES)) * real,
        "sample_ids": real.astype(int),
        "frame_mask": masked.astype(int),
    }
    if spec.task.kind == "masked_unit_prediction":
        inputs["labels"] = rng.integers(0, CLASSES, (BATCH, frames))
        inputs["label_weights"] = np.where(masked, 1.0, 0.25)
        if variant.startswith("padded"):
            inputs["label_weights"] *= with_frame_ids(spec, inputs)["example_ids"]
    else:
        # Two alike, none between others, and none at all.
        inputs["labels"] = np.array([[3, 3, 1, 2], [0, 2, 0, 4], [0, 0, 0, 0]])
        inputs["label_weights"] = np.ones(BATCH)
    left_out = {"sample_ids"} if variant.startswith("full") else set()
    left_out |= set() if variant.endswith("masked") else {"frame_mask"}
    return {name: value for name, value in inputs.items() if name not in left_out}


def with_frame_ids(spec: ExperimentSpec, inputs: Arrays) -> Arrays:
    """The inputs with ``example_ids`` of the frames; one that has padding in it is padding."""
    if "sample_ids" not in inputs:
        return inputs
    size, stride = spec.model.waveform_encoder.frame
    starts = range(0, SAMPLES - size + 1, stride)
    ids = [inputs["sample_ids"][:, start : start + size].min(axis=1) for start in starts]
    return {**inputs, "example_ids": np.stack(ids, axis=1)}


def _arguments(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    arguments = {"input_values": given["waveform"]}
    if "sample_ids" in given:
        arguments["attention_mask"] = given["sample_ids"]
    if "frame_mask" in given:
        arguments["mask_time_indices"] = given["frame_mask"] > 0
    return arguments


def call_hubert(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"hidden_states": model(**_arguments(given)).last_hidden_state}


def call_ctc(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    log_softmax = F.log_softmax
    # The reference takes log-probabilities in float32 whatever the dtype.
    with patch.object(F, "log_softmax", lambda logits, dim, dtype: log_softmax(logits, dim)):
        found = model(**_arguments(given), labels=given["labels"])
    return {
        "hidden_states": model.hubert(**_arguments(given)).last_hidden_state,
        "logits": found.logits,
        # Its default reduction is the sum over examples; ours is their mean.
        "loss": found.loss / len(found.logits),
    }


def add_pretraining_head(model: Any) -> None:
    """fairseq's, which ``transformers`` leaves out: a dense layer and a code for each unit."""
    del model.lm_head
    model.final_proj = nn.Linear(model.config.hidden_size, CODE_SIZE, dtype=torch.float64)
    model.label_embs_concat = nn.Parameter(torch.empty(CLASSES, CODE_SIZE, dtype=torch.float64))


def call_units(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Equations 2 and 3 of the paper over the reference's hidden states."""
    hidden_states = model.hubert(**_arguments(given)).last_hidden_state
    projected = model.final_proj(hidden_states)[:, :, None]
    logits = torch.cosine_similarity(projected, model.label_embs_concat, dim=-1) / 0.1
    right = logits.softmax(-1).gather(-1, given["labels"][..., None])[..., 0]
    weights = given["label_weights"]
    loss = -(weights * right.log()).sum() / weights.sum()
    return {"hidden_states": hidden_states, "logits": logits, "loss": loss}


def _family(task: str, reference: str, fields: Mapping[str, Any], call: Any, **more: Any) -> Family:
    # Without a mask the loss does not reach the vector that stands for hidden frames.
    every = ("full", "full-masked", "padded", "padded-masked")
    return Family(
        "hubert",
        task,
        reference,
        hubert_config,
        fields,
        call,
        inputs=waveform_inputs,
        variants=every if task == "representation" else every[1::2],
        ids=with_frame_ids,
        **more,
    )


ROWS = ("hidden_states", "logits")
CTC = {"task_fields": {"classes": CLASSES}, "rows": ROWS}
UNITS = {
    "task_fields": {"units": CLASSES, "code_size": CODE_SIZE},
    "rows": ROWS,
    "prepare": add_pretraining_head,
    # Its class is another's, with the head put in place of that one's.
    "is_published": False,
}
FAMILIES = {
    "hubert": _family("representation", "HubertModel", BASE, call_hubert),
    "hubert-large": _family("representation", "HubertModel", LARGE, call_hubert),
    "hubert-ctc": _family("ctc", "HubertForCTC", BASE, call_ctc, **CTC),
    "hubert-large-ctc": _family("ctc", "HubertForCTC", LARGE, call_ctc, **CTC),
    "hubert-units": _family("masked_unit_prediction", "HubertForCTC", BASE, call_units, **UNITS),
    "hubert-large-units": _family("masked_unit_prediction", "HubertForCTC", LARGE, call_units, **UNITS),
}
