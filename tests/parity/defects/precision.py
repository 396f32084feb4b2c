"""bfloat16: what must stay in float32."""

from __future__ import annotations

from defects.base import Defect, halves

HALF = ("training.precision=bfloat16",)

PRECISION: tuple[Defect, ...] = (
    *halves(
        "a layer norm in bfloat16",
        "low precision",
        "blocks/norm.py",
        "bert_tiny",
        "*norm",
        torch=(
            "return note_epsilon(super().forward(at_least_float32(x)), self.eps).to(x.dtype)\n\n\nclass RmsNorm",
            "return torch.nn.functional.layer_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)\n\n\nclass RmsNorm",
        ),
        tf=("wide = at_least_float32(x)\n        gamma, beta", "wide = x\n        gamma, beta"),
        sets=HALF,
    ),
    *halves(
        "a mean square norm in bfloat16",
        "low precision",
        "blocks/norm.py",
        "t5_tiny",
        "*norm",
        torch=(
            "return super().forward(at_least_float32(x)).to(x.dtype)\n\n\nclass BatchNorm",
            "return (x * (x.square().mean(-1, keepdim=True) + self.eps).rsqrt() * self.weight.to(x.dtype)).to(x.dtype)\n\n\nclass BatchNorm",
        ),
        tf=("wide = at_least_float32(x)\n        gamma = ", "wide = x\n        gamma = "),
        sets=HALF,
    ),
    *halves(
        "a norm's scale in bfloat16",
        "low precision",
        "blocks/norm.py",
        "bert_tiny",
        "*norm",
        tf=(
            "return tf.cast(layer_norm(wide, gamma, beta, self.epsilon), x.dtype)",
            "wide = layer_norm(wide, tf.ones_like(gamma), tf.zeros_like(beta), self.epsilon)\n"
            "        return tf.cast(wide, x.dtype) * tf.cast(gamma, x.dtype) + tf.cast(beta, x.dtype)",
        ),
        sets=HALF,
    ),
    *halves(
        "softmax in bfloat16",
        "low precision",
        "blocks/attend.py",
        "bert_tiny",
        "*attention",
        tf=(
            "at_least_float32(tf.matmul(queries, k_BNSH, transpose_b=True))",
            "tf.matmul(queries, k_BNSH, transpose_b=True)",
        ),
        sets=HALF,
    ),
    *halves(
        "a cross-entropy in bfloat16",
        "low precision",
        "blocks/losses.py",
        "bert_tiny",
        "*loss",
        torch=("logits.to(wide).flatten(0, -2)", "logits.flatten(0, -2)"),
        tf=(
            "wide = at_least_float32(tf.reshape(logits, [-1, logits.shape[-1]]))",
            "wide = tf.reshape(logits, [-1, logits.shape[-1]])",
        ),
        sets=HALF,
    ),
    *halves(
        "a table's gradient adds up in bfloat16",
        "low precision",
        "blocks/embedding.py",
        "bert_tiny",
        "embeddings.token.weight",
        torch=(
            "rows = F.embedding(x, ours, sparse=is_joined)",
            "rows = F.embedding(x, self._computed(ours), sparse=is_joined)",
        ),
        sets=HALF,
    ),
    *halves(
        "a bias' gradient adds up in bfloat16",
        "low precision",
        "precision.py",
        "bert_tiny",
        "*.bias",
        tf=(" if y.dtype in (tf.float32, tf.float64) else y + bias", ""),
        sets=HALF,
    ),
    *halves(
        "rotary angles in bfloat16",
        "low precision",
        "blocks/position.py",
        "gptj_tiny",
        "*.position",
        torch=(
            "        turned, rest = wide_BNTH[..., :",
            "        cos, sin = cos.to(x.dtype), sin.to(x.dtype)\n        turned, rest = wide_BNTH[..., :",
        ),
        tf=("wide_BNTH = at_least_float32(x)", "wide_BNTH = x"),
        sets=HALF,
    ),
)
