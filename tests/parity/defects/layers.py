"""Dense layers, activations, norms, heads and the layers around them."""

from __future__ import annotations

from defects.base import Defect, halves

DROPOUT = ("model.dropout=0.1",)

LAYERS: tuple[Defect, ...] = (
    *halves(
        "a dense layer forgets its bias",
        "layers",
        "blocks/dense.py",
        "bert_tiny",
        "encoder.layers.0.attention.*",
        tf=("y = add_bias(y, self.bias)", "pass"),
    ),
    *halves(
        "a dense layer forgets its bias",
        "layers",
        "compiling.py",
        "bert_tiny",
        "encoder.layers.0.attention.*",
        torch=(
            "module.__class__ = nn.Linear",
            "module.__class__ = nn.Linear\n            module.forward = lambda x, its=module: x @ its.weight.T",
        ),
    ),
    *halves(
        "GELU by tanh for erf",
        "layers",
        "blocks/activation.py",
        "bert_tiny",
        "encoder.layers.0.feed_forward.activation",
        torch=('approximate="none"', 'approximate="tanh"'),
        tf=(
            "tf.math.erf(wide * root)",
            "tf.tanh(tf.constant(0.7978845608028654, wide.dtype) * (wide + 0.044715 * wide * wide * wide))",
        ),
    ),
    *halves(
        "a constant of GELU is cut short",
        "layers",
        "blocks/activation.py",
        "gpt2_tiny",
        "*.layers.0.feed_forward.activation",
        tf=("0.044715, math", "0.0447, math"),
    ),
    *halves(
        "the gate passes the other branch",
        "layers",
        "blocks/feed_forward.py",
        "t5_v1_1_small",
        "encoder.layers.0.feed_forward",
        torch=(
            "self.activation(self.gate(x)) * self.inner(x)",
            "self.gate(x) * self.activation(self.inner(x))",
        ),
        tf=("self.activation(self.gate(x)) * self.inner(x)", "self.gate(x) * self.activation(self.inner(x))"),
    ),
    *halves(
        "a layer norm's epsilon is torch's own",
        "norms",
        "blocks/norm.py",
        "bert_tiny",
        "embeddings.norm",
        torch=('LayerNorm(inputs["x"].width, eps=spec.epsilon)', 'LayerNorm(inputs["x"].width, eps=1e-5)'),
        tf=(
            'LayerNorm(size=inputs["x"].width, epsilon=spec.epsilon)',
            'LayerNorm(size=inputs["x"].width, epsilon=1e-5)',
        ),
    ),
    *halves(
        "a mean square norm's epsilon is another",
        "norms",
        "blocks/norm.py",
        "t5_tiny",
        "encoder.layers.0.attention_norm",
        torch=('RmsNorm(inputs["x"].width, eps=spec.epsilon)', 'RmsNorm(inputs["x"].width, eps=1e-5)'),
        tf=(
            'RmsNorm(size=inputs["x"].width, epsilon=spec.epsilon)',
            'RmsNorm(size=inputs["x"].width, epsilon=1e-5)',
        ),
    ),
    *halves(
        "running statistics keep what they should take",
        "state",
        "blocks/norm.py",
        "unet_tiny",
        "*norm*",
        torch=("1 - self.decay,", "self.decay,"),
        tf=("(self.decay, 1 - self.decay)", "(1 - self.decay, self.decay)"),
    ),
    *halves(
        "the running variance is biased",
        "state",
        "blocks/norm.py",
        "unet_tiny",
        "*norm*",
        tf=("variance * count / tf.maximum(count - one, one)", "variance"),
    ),
    *halves(
        "running statistics stand still",
        "state",
        "blocks/norm.py",
        "unet_tiny",
        "*norm*",
        torch=("1 - self.decay,", "0.0,"),
        tf=("kept * before + taken * tf.cast(found, before.dtype)", "before"),
    ),
    *halves(
        "one group for all channels",
        "norms",
        "blocks/norm.py",
        "unet_tiny_residual",
        "*norm*",
        torch=("groups=width", "groups=1"),
        tf=("groups=width", "groups=1"),
    ),
    *halves(
        "the decoder's layer does not know the memory's padding",
        "optional inputs",
        "blocks/decoder_layer.py",
        "transformer_tiny",
        "decoder.layers.0*",
        torch=(
            "self.cross_attention(x, memory, example_ids=example_ids, memory_example_ids=memory_example_ids)",
            "self.cross_attention(x, memory, example_ids=example_ids)",
        ),
        tf=(
            "self.cross_attention(x, memory, example_ids=example_ids, memory_example_ids=memory_example_ids)",
            "self.cross_attention(x, memory, example_ids=example_ids)",
        ),
    ),
    *halves(
        "a head's table has no gradient",
        "tying",
        "blocks/tied_dense.py",
        "bert_tiny",
        "embeddings.token.weight",
        torch=("narrowed(table, x)", "narrowed(table, x).detach()"),
        tf=(
            "turned_product(flat, table)",
            "turned_product(flat, tf.stop_gradient(table))",
        ),
    ),
    *halves(
        "the table's rows have half their gradient",
        "tying",
        "blocks/embedding.py",
        "bert_tiny",
        "embeddings.*.weight",
        torch=("return gradient if ctx", "return gradient * 0.5 if ctx"),
        tf=(
            "tf.cast(tf.gather(table, x), self.compute_dtype)",
            "tf.cast(0.5 * tf.gather(table, x) + tf.stop_gradient(0.5 * tf.gather(table, x)), self.compute_dtype)",
        ),
    ),
    *halves(
        "packed rows are pooled at their first tokens",
        "packing",
        "blocks/pooler.py",
        "bert_tiny",
        "pooler",
        torch=(
            "first = x[:, 0] if pooled_positions is None else gather(x, pooled_positions)",
            "first = x[:, 0] if pooled_positions is None else x[:, : pooled_positions.shape[1]]",
        ),
        tf=(
            "first = x[:, 0] if pooled_positions is None else gather(x, pooled_positions)",
            "first = x[:, 0] if pooled_positions is None else x[:, : tf.shape(pooled_positions)[1]]",
        ),
    ),
    *halves(
        "without ids the first token is the last",
        "optional inputs",
        "blocks/pooler.py",
        "gpt2_tiny_classification",
        "*",
        torch=("x.new_ones(x.shape[:2], dtype=torch.int32)", "x.new_zeros(x.shape[:2], dtype=torch.int32)"),
        tf=("tf.ones(tf.shape(x)[:2], tf.int32)", "tf.zeros(tf.shape(x)[:2], tf.int32)"),
    ),
    *halves(
        "start and end are swapped",
        "heads",
        "blocks/heads.py",
        "bert_tiny_squad",
        "*",
        torch=(
            '"start_logits": logits_BT2[..., 0], "end_logits": logits_BT2[..., 1]',
            '"start_logits": logits_BT2[..., 1], "end_logits": logits_BT2[..., 0]',
        ),
        tf=(
            '"start_logits": logits_BT2[..., 0], "end_logits": logits_BT2[..., 1]',
            '"start_logits": logits_BT2[..., 1], "end_logits": logits_BT2[..., 0]',
        ),
    ),
    *halves(
        "codes of a cosine head are not normalised",
        "heads",
        "blocks/cosine_head.py",
        "hubert_tiny_units",
        "*",
        torch=("dim=-1, eps=EPSILON", "dim=-1, eps=EPSILON * 1e9"),
        tf=("-1, EPSILON**2)", "-1, EPSILON**2 * 1e18)"),
    ),
)
