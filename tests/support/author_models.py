"""What the authors' own code computes, in NumPy's float64, of the variables that they published, by their names.

google-research/bert: modeling.py; openai/gpt-2: src/model.py; tensorflow/mesh: transformer/{transformer_layers,
attention}.py; google-research/vision_transformer: vit_jax/models_vit.py. ``draw`` makes variables of their shapes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Variables = Mapping[str, np.ndarray]


def draw(shapes: Mapping[str, tuple[int, ...]], seed: int = 3) -> dict[str, np.ndarray]:
    """Values of order one in vectors and tables; in matrices such that what they give is."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in shapes.items():
        table = any(part in name for part in ("embedding", "wte", "wpe", "cls", "relative"))
        scale = (
            1.0
            if table or max(shape, default=0) == int(np.prod(shape))
            else 1.2 / np.sqrt(np.prod(shape[:-1]))
        )
        found[name] = scale * rng.standard_normal(shape) + 0.02
    return found


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def softmax(x: np.ndarray) -> np.ndarray:
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def norm(x: np.ndarray, gain: np.ndarray, bias: np.ndarray, epsilon: float) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon) * gain + bias


def attend(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, scores: np.ndarray | float, scale: float
) -> np.ndarray:
    """Heads' values, side by side; q, k and v are ``[batch, positions, heads, size]``."""
    weights = softmax(np.einsum("bqnh,bknh->bnqk", q, k) * scale + scores)
    found = np.einsum("bnqk,bknh->bqnh", weights, v)
    return found.reshape(*found.shape[:2], -1)


def hidden(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, 0.0, -1e10)


def bert_shapes(D: int, F: int, V: int, P: int, layers: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "bert/embeddings/word_embeddings": (V, D),
        "bert/embeddings/position_embeddings": (P, D),
        "bert/embeddings/token_type_embeddings": (2, D),
        "bert/pooler/dense/kernel": (D, D),
        "bert/pooler/dense/bias": (D,),
        "cls/predictions/transform/dense/kernel": (D, D),
        "cls/predictions/transform/dense/bias": (D,),
        "cls/predictions/output_bias": (V,),
        "cls/seq_relationship/output_weights": (2, D),
        "cls/seq_relationship/output_bias": (2,),
    }
    norms = ["bert/embeddings", "cls/predictions/transform"]
    for layer in range(layers):
        scope = f"bert/encoder/layer_{layer}"
        dense = {f"attention/self/{name}": (D, D) for name in ("query", "key", "value")}
        dense |= {"attention/output/dense": (D, D), "intermediate/dense": (D, F), "output/dense": (F, D)}
        for name, shape in dense.items():
            shapes |= {f"{scope}/{name}/kernel": shape, f"{scope}/{name}/bias": shape[1:]}
        norms += [f"{scope}/attention/output", f"{scope}/output"]
    for name in norms:
        shapes |= {f"{name}/LayerNorm/gamma": (D,), f"{name}/LayerNorm/beta": (D,)}
    return shapes


def bert(v: Variables, heads: int, layers: int, ids: np.ndarray, types: np.ndarray, mask: np.ndarray) -> dict:
    def dense(x, name):
        return x @ v[f"{name}/kernel"] + v[f"{name}/bias"]

    def normed(x, name):
        return norm(x, v[f"{name}/LayerNorm/gamma"], v[f"{name}/LayerNorm/beta"], 1e-12)

    tables = {name: v[f"bert/embeddings/{name}_embeddings"] for name in ("word", "position", "token_type")}
    x = tables["word"][ids] + tables["token_type"][types] + tables["position"][: ids.shape[1]]
    x = normed(x, "bert/embeddings")
    for layer in range(layers):
        scope = f"bert/encoder/layer_{layer}"
        q, k, w = (
            dense(x, f"{scope}/attention/self/{name}").reshape(*ids.shape, heads, -1)
            for name in ("query", "key", "value")
        )
        found = attend(q, k, w, hidden(mask[:, None, None, :] > 0), q.shape[-1] ** -0.5)
        x = normed(dense(found, f"{scope}/attention/output/dense") + x, f"{scope}/attention/output")
        inner = gelu(dense(x, f"{scope}/intermediate/dense"))
        x = normed(dense(inner, f"{scope}/output/dense") + x, f"{scope}/output")
    pooled = np.tanh(dense(x[:, 0], "bert/pooler/dense"))
    results = {"hidden_states": x, "pooled": pooled}
    if "cls/predictions/output_bias" in v:
        y = normed(gelu(dense(x, "cls/predictions/transform/dense")), "cls/predictions/transform")
        results["masked_logits"] = y @ tables["word"].T + v["cls/predictions/output_bias"]
        results["next_sentence_logits"] = (
            pooled @ v["cls/seq_relationship/output_weights"].T + v["cls/seq_relationship/output_bias"]
        )
    if "output_weights" in v:
        results["logits"] = pooled @ v["output_weights"].T + v["output_bias"]
    if "cls/squad/output_weights" in v:
        results["squad"] = x @ v["cls/squad/output_weights"].T + v["cls/squad/output_bias"]
    return results


def gpt2_shapes(D: int, V: int, P: int, layers: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"model/wte": (V, D), "model/wpe": (P, D)}
    norms = ["model/ln_f"]
    for layer in range(layers):
        scope = f"model/h{layer}"
        sizes = {
            "attn/c_attn": (D, 3 * D),
            "attn/c_proj": (D, D),
            "mlp/c_fc": (D, 4 * D),
            "mlp/c_proj": (4 * D, D),
        }
        for name, (width, out) in sizes.items():
            shapes |= {f"{scope}/{name}/w": (1, width, out), f"{scope}/{name}/b": (out,)}
        norms += [f"{scope}/ln_1", f"{scope}/ln_2"]
    for name in norms:
        shapes |= {f"{name}/g": (D,), f"{name}/b": (D,)}
    return shapes


def gpt2(v: Variables, heads: int, layers: int, ids: np.ndarray) -> dict[str, np.ndarray]:
    def conv1d(x, name):
        return x @ v[f"{name}/w"][0] + v[f"{name}/b"]

    def normed(x, name):
        return norm(x, v[f"{name}/g"], v[f"{name}/b"], 1e-5)

    past = np.tril(np.ones((ids.shape[1], ids.shape[1]), bool))
    x = v["model/wte"][ids] + v["model/wpe"][: ids.shape[1]]
    for layer in range(layers):
        scope = f"model/h{layer}"
        fused = conv1d(normed(x, f"{scope}/ln_1"), f"{scope}/attn/c_attn")
        q, k, w = (part.reshape(*ids.shape, heads, -1) for part in np.split(fused, 3, axis=-1))
        x = x + conv1d(attend(q, k, w, hidden(past), q.shape[-1] ** -0.5), f"{scope}/attn/c_proj")
        x = x + conv1d(gelu(conv1d(normed(x, f"{scope}/ln_2"), f"{scope}/mlp/c_fc")), f"{scope}/mlp/c_proj")
    x = normed(x, "model/ln_f")
    return {"hidden_states": x, "logits": x @ v["model/wte"].T}


def t5_shapes(
    D: int, N: int, H: int, F: int, V: int, layers: int, decoder_layers: int, *, gated: bool
) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"shared/embedding": (V, D)}
    for stack, count in (("encoder", layers), ("decoder", decoder_layers)):
        halves = ["SelfAttention", "EncDecAttention"][: 1 if stack == "encoder" else 2]
        for layer in range(count):
            scope = f"{stack}/block_{layer:03d}"
            for index, half in enumerate(halves):
                shapes |= {f"{scope}/layer_{index:03d}/{half}/{name}": (D, N * H) for name in "qkv"}
                shapes[f"{scope}/layer_{index:03d}/{half}/o"] = (N * H, D)
            last = f"{scope}/layer_{len(halves):03d}/DenseReluDense"
            shapes |= {f"{last}/{name}/kernel": (D, F) for name in (("wi_0", "wi_1") if gated else ("wi",))}
            shapes[f"{last}/wo/kernel"] = (F, D)
            for index in range(len(halves) + 1):
                shapes[f"{scope}/layer_{index:03d}/layer_norm/scale"] = (D,)
        shapes[f"{stack}/block_000/layer_000/SelfAttention/relative_attention_bias"] = (N, 32)
        shapes[f"{stack}/final_layer_norm/scale"] = (D,)
    if gated:
        shapes["decoder/logits/kernel"] = (D, V)
    return shapes


def buckets(queries: int, keys: int, *, both_sides: bool) -> np.ndarray:
    """_relative_position_bucket, of 32 buckets and distances up to 128."""
    relative = np.arange(keys)[None, :] - np.arange(queries)[:, None]
    count, found = 32, np.zeros_like(relative)
    distance = -relative
    if both_sides:
        count //= 2
        found = found + (distance < 0) * count
        distance = np.abs(distance)
    else:
        distance = np.maximum(distance, 0)
    exact = count // 2
    large = exact + (np.log(np.maximum(distance, 1) / exact) / np.log(128 / exact) * (count - exact)).astype(
        int
    )
    return found + np.where(distance < exact, distance, np.minimum(large, count - 1))


def t5(
    v: Variables, heads: int, layers: tuple[int, int], ids: np.ndarray, mask: np.ndarray, target: np.ndarray
) -> dict:
    def normed(x, name):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * v[f"{name}/layer_norm/scale"]

    def attention(x, memory, scope, scores):
        q, k, w = (
            (each @ v[f"{scope}/{name}"]).reshape(*each.shape[:2], heads, -1)
            for name, each in (("q", x), ("k", memory), ("v", memory))
        )
        return attend(q, k, w, scores, 1.0) @ v[f"{scope}/o"]

    def feed_forward(x, scope):
        if f"{scope}/wi/kernel" in v:
            inner = np.maximum(x @ v[f"{scope}/wi/kernel"], 0)
        else:
            inner = gelu(x @ v[f"{scope}/wi_0/kernel"]) * (x @ v[f"{scope}/wi_1/kernel"])
        return inner @ v[f"{scope}/wo/kernel"]

    def biases(stack, size):
        table = v[f"{stack}/block_000/layer_000/SelfAttention/relative_attention_bias"]
        return table[:, buckets(size, size, both_sides=stack == "encoder")]

    padding = hidden(mask[:, None, None, :] > 0)
    x = v["shared/embedding"][ids]
    for layer in range(layers[0]):
        scope = f"encoder/block_{layer:03d}"
        y = normed(x, f"{scope}/layer_000")
        scores = biases("encoder", ids.shape[1]) + padding
        x = x + attention(y, y, f"{scope}/layer_000/SelfAttention", scores)
        x = x + feed_forward(normed(x, f"{scope}/layer_001"), f"{scope}/layer_001/DenseReluDense")
    memory = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * v["encoder/final_layer_norm/scale"]
    past = hidden(np.tril(np.ones((target.shape[1], target.shape[1]), bool)))
    x = v["shared/embedding"][target]
    for layer in range(layers[1]):
        scope = f"decoder/block_{layer:03d}"
        y = normed(x, f"{scope}/layer_000")
        x = x + attention(y, y, f"{scope}/layer_000/SelfAttention", biases("decoder", target.shape[1]) + past)
        y = normed(x, f"{scope}/layer_001")
        x = x + attention(y, memory, f"{scope}/layer_001/EncDecAttention", padding)
        x = x + feed_forward(normed(x, f"{scope}/layer_002"), f"{scope}/layer_002/DenseReluDense")
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * v["decoder/final_layer_norm/scale"]
    if "decoder/logits/kernel" in v:
        return {"logits": x @ v["decoder/logits/kernel"]}
    return {"logits": x * x.shape[-1] ** -0.5 @ v["shared/embedding"].T}


def vit_shapes(patch: int, side: int, D: int, N: int, F: int, layers: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "embedding/kernel": (patch, patch, 3, D),
        "embedding/bias": (D,),
        "cls": (1, 1, D),
        "Transformer/posembed_input/pos_embedding": (1, side * side + 1, D),
    }
    norms = ["Transformer/encoder_norm"]
    for layer in range(layers):
        scope = f"Transformer/encoderblock_{layer}"
        attention = f"{scope}/MultiHeadDotProductAttention_1"
        for name in ("query", "key", "value"):
            shapes |= {f"{attention}/{name}/kernel": (D, N, D // N), f"{attention}/{name}/bias": (N, D // N)}
        shapes |= {f"{attention}/out/kernel": (N, D // N, D), f"{attention}/out/bias": (D,)}
        for index, (width, out) in enumerate(((D, F), (F, D))):
            dense = f"{scope}/MlpBlock_3/Dense_{index}"
            shapes |= {f"{dense}/kernel": (width, out), f"{dense}/bias": (out,)}
        norms += [f"{scope}/LayerNorm_0", f"{scope}/LayerNorm_2"]
    for name in norms:
        shapes |= {f"{name}/scale": (D,), f"{name}/bias": (D,)}
    return shapes


def vit(v: Variables, layers: int, images: np.ndarray) -> dict[str, np.ndarray]:
    def normed(x, name):
        return norm(x, v[f"{name}/scale"], v[f"{name}/bias"], 1e-6)

    p, _, _, D = v["embedding/kernel"].shape
    batch, height, width, channels = images.shape
    patches = images.reshape(batch, height // p, p, width // p, p, channels)
    x = np.einsum("bipjqc,pqcd->bijd", patches, v["embedding/kernel"]) + v["embedding/bias"]
    x = np.concatenate([np.broadcast_to(v["cls"], (batch, 1, D)), x.reshape(batch, -1, D)], axis=1)
    x = x + v["Transformer/posembed_input/pos_embedding"]
    for layer in range(layers):
        scope = f"Transformer/encoderblock_{layer}"
        attention = f"{scope}/MultiHeadDotProductAttention_1"
        y = normed(x, f"{scope}/LayerNorm_0")
        q, k, w = (
            np.einsum("btd,dnh->btnh", y, v[f"{attention}/{name}/kernel"]) + v[f"{attention}/{name}/bias"]
            for name in ("query", "key", "value")
        )
        found = attend(q, k, w, 0.0, q.shape[-1] ** -0.5).reshape(q.shape)
        x = x + np.einsum("btnh,nhd->btd", found, v[f"{attention}/out/kernel"]) + v[f"{attention}/out/bias"]
        dense = f"{scope}/MlpBlock_3/Dense"
        y = gelu(normed(x, f"{scope}/LayerNorm_2") @ v[f"{dense}_0/kernel"] + v[f"{dense}_0/bias"])
        x = x + y @ v[f"{dense}_1/kernel"] + v[f"{dense}_1/bias"]
    x = normed(x, "Transformer/encoder_norm")
    results = {"hidden_states": x}
    if "head/kernel" in v:
        results["logits"] = x[:, 0] @ v["head/kernel"] + v["head/bias"]
    return results
