"""Attention: scales, masks, distances, bands, and what comes only with long rows."""

from __future__ import annotations

from defects.base import Defect, halves

DROPOUT = ("model.dropout=0.1", "model.attention_dropout=0.1", "training.random=native")

SAME = "same = example_ids[:, None, :, None] == example_ids[:, None, None, :]"
SAME_MEMORY = "same = example_ids[:, None, :, None] == memory_example_ids[:, None, None, :]"

ATTENTION: tuple[Defect, ...] = (
    *halves(
        "scores scaled by the hidden size's root",
        "attention",
        "blocks/attention.py",
        "bert_tiny",
        "encoder.layers.0.attention",
        torch=("math.sqrt(self.head_size)", "math.sqrt(hidden_size)"),
        tf=("math.sqrt(hidden_size // num_heads)", "math.sqrt(hidden_size)"),
    ),
    *halves(
        "the causal mask shows the next position",
        "attention",
        "blocks/attend.py",
        "gpt2_tiny",
        "*.layers.0.attention",
        torch=(".tril()", ".tril(1)"),
        tf=("position[:, None] >= position[None, :]", "position[:, None] >= position[None, :] - 1"),
    ),
    *halves(
        "padding is attended to",
        "attention",
        "blocks/attend.py",
        "bert_tiny",
        "encoder.layers.0.attention",
        torch=(SAME, f"{SAME}\n    same = same | (example_ids[:, None, None, :] == 0)"),
        tf=(SAME, f"{SAME}\n    same = same | (example_ids[:, None, None, :] == 0)"),
    ),
    *halves(
        "packed examples see each other",
        "packing",
        "blocks/attend.py",
        "bert_tiny",
        "encoder.layers.0.attention",
        torch=(SAME, "same = (example_ids[:, None, :, None] > 0) == (example_ids[:, None, None, :] > 0)"),
        tf=(SAME, "same = (example_ids[:, None, :, None] > 0) == (example_ids[:, None, None, :] > 0)"),
    ),
    *halves(
        "long rows: the fused kernel's scale is off by a per cent",
        "long rows",
        "blocks/attend.py",
        "bert_tiny",
        "encoder.layers.0.attention",
        torch=("is_causal=causal, scale=scale\n", "is_causal=causal, scale=1.01 * scale\n"),
    ),
    *halves(
        "long rows: the fused kernel is given no mask",
        "long rows",
        "blocks/attend.py",
        "bert_tiny",
        "encoder.layers.0.attention",
        torch=("attn_mask=mask", "attn_mask=None"),
    ),
    *halves(
        "long rows: the fused kernel is not causal",
        "long rows",
        "blocks/attend.py",
        "gpt2_tiny",
        "*.layers.0.attention",
        torch=("is_causal=causal,", "is_causal=False,"),
    ),
    *halves(
        "long rows: the fused kernel drops nothing",
        "rates",
        "blocks/attend.py",
        "bert_tiny",
        "encoder.layers.*.attention.dropout",
        torch=("dropout_p=rate", "dropout_p=0.0"),
        sets=DROPOUT,
    ),
    *halves(
        "a band is wider by one",
        "bands",
        "blocks/attention.py",
        "gpt3_tiny",
        "*.layers.1.attention",
        torch=(".abs() < self.window", ".abs() <= self.window"),
        tf=(" < self.window", " <= self.window"),
    ),
    *halves(
        "a band reaches beyond 15 positions",
        "bands",
        "blocks/attention.py",
        "gpt3_tiny",
        "*.layers.1.attention",
        torch=(
            "near = (place[:, None] - place[None, :]).abs()",
            "near = ((place[:, None] - place[None, :]) % 15).abs()",
        ),
        tf=(
            "near = tf.abs(place[:, None] - place[None, :])",
            "near = tf.abs((place[:, None] - place[None, :]) % 15)",
        ),
    ),
    *halves(
        "the memory's ids, left out, are another example's",
        "optional inputs",
        "blocks/cross_attention.py",
        "transformer_tiny",
        "decoder.layers.0.cross_attention",
        torch=("example_ids.new_ones(memory_shape[:2])", "example_ids.new_full(memory_shape[:2], 2)"),
        tf=(
            "tf.ones(memory_shape[:2], example_ids.dtype)",
            "2 * tf.ones(memory_shape[:2], example_ids.dtype)",
        ),
    ),
    *halves(
        "the reader's ids, left out, are padding's",
        "optional inputs",
        "blocks/cross_attention.py",
        "transformer_tiny",
        "decoder.layers.0.cross_attention",
        torch=("memory_example_ids.new_ones(shape[:2])", "memory_example_ids.new_zeros(shape[:2])"),
        tf=("tf.ones(shape[:2], memory_example_ids.dtype)", "tf.zeros(shape[:2], memory_example_ids.dtype)"),
    ),
    *halves(
        "who has nothing to read reads everything",
        "packing",
        "blocks/cross_attention.py",
        "transformer_tiny",
        "decoder.layers.0.cross_attention",
        torch=("return same | ~found, found", "return same | ~found, None"),
        tf=("return same | ~found, found", "return same | ~found, None"),
    ),
    *halves(
        "relative distances with the wrong sign",
        "relative positions",
        "blocks/relative_position.py",
        "t5_tiny",
        "encoder.position",
        torch=("position[None, :] - position[:, None]", "position[:, None] - position[None, :]"),
        tf=("position[None, :] - position[:, None]", "position[:, None] - position[None, :]"),
    ),
    *halves(
        "relative distances end at a third of the largest",
        "long distances",
        "blocks/relative_position.py",
        "t5_tiny",
        "encoder.position",
        torch=(
            "distance_TT.clamp(-self.max_distance, self.max_distance)",
            "distance_TT.clamp(-self.max_distance // 3, self.max_distance // 3)",
        ),
        tf=(
            "tf.clip_by_value(distance_TT, -self.max_distance, self.max_distance)",
            "tf.clip_by_value(distance_TT, -self.max_distance // 3, self.max_distance // 3)",
        ),
    ),
    *halves(
        "relative attention forgets the bias",
        "relative positions",
        "blocks/relative_attention.py",
        "t5_tiny",
        "encoder.layers.0.attention",
        torch=("bias_NTS=position_bias", "bias_NTS=None"),
        tf=("bias_NTS=position_bias", "bias_NTS=None"),
    ),
    *halves(
        "keys of padding are projected too",
        "attention",
        "blocks/linformer_attention.py",
        "linformer_tiny",
        "encoder.layers.0.attention",
        torch=("(example_ids > 0)", "(example_ids > -1)"),
        tf=("example_ids > 0", "example_ids > -1"),
    ),
    *halves(
        "the stack's projection is transposed in sign for values",
        "attention",
        "blocks/linformer_attention.py",
        "linformer_tiny_layerwise",
        "encoder.layers.0.attention",
        torch=(
            "return self.mix(x, projection, projection, example_ids)\n\n\ndef",
            "return self.mix(x, projection, -projection, example_ids)\n\n\ndef",
        ),
        tf=(
            "return self.mix(x, projection, projection, example_ids)\n\n\ndef",
            "return self.mix(x, projection, -projection, example_ids)\n\n\ndef",
        ),
    ),
)
