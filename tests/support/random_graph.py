"""An architecture drawn at random from the blocks, as a spec file would write it."""

from __future__ import annotations

import random

ACTIVATIONS = ("relu", "gelu_erf", "gelu_tanh", "silu", "tanh", "sigmoid")


def random_graph(seed: int) -> dict:
    """The mapping of a composed spec: tokens or an image in, a classifier out, with skips and shared blocks."""
    draw = random.Random(seed)
    model = _tokens(draw) if draw.random() < 0.5 else _image(draw)
    optimizer = draw.choice(
        [
            {"kind": "adamw", "learning_rate": 1e-3, "epsilon": 1e-6},
            {"kind": "sgd", "learning_rate": 1e-2, "momentum": 0.9, "nesterov": draw.random() < 0.5},
        ]
    )
    return {
        "name": f"random_{seed}",
        "model": {"kind": "graph", **model},
        "data": {"kind": "generated", "sequence_length": 12},
        "training": {"batch_size": 4, "optimizer": optimizer, "schedule": {"kind": "cosine"}, "steps": 20},
    }


def _norm(draw: random.Random) -> dict:
    return {"kind": draw.choice(["layer_norm", "rms_norm"]), "epsilon": draw.choice([1e-5, 1e-3])}


def _tokens(draw: random.Random) -> dict:
    width = draw.choice([12, 24])
    inputs = {
        "input_ids": {"shape": ("batch", "sequence"), "dtype": "int32"},
        "example_ids": {"shape": ("batch", "sequence"), "dtype": "int32", "optional": True},
        "positions": {"shape": ("batch", "sequence"), "dtype": "int32", "optional": True},
        "labels": {"shape": ("batch", "sequence"), "dtype": "int32", "label": True},
        "label_weights": {"shape": ("batch", "sequence"), "label": True},
    }
    embeddings = {
        "kind": "embeddings",
        "rows": 31,
        "size": width,
        "position": {"kind": "learned_positions", "size": 12},
        "norm": draw.choice([None, _norm(draw)]),
    }
    nodes = {
        "embeddings": {
            "block": embeddings,
            "inputs": {"input_ids": "input_ids", "positions": "positions"},
        }
    }
    alive = ["embeddings"]
    for index in range(draw.randint(2, 5)):
        name, source = f"n{index}", draw.choice(alive[-2:])
        choice = draw.randrange(6)
        if choice == 0:
            nodes[name] = {"block": _stack(draw), "inputs": {"x": source, "example_ids": "example_ids"}}
        elif choice == 1:
            nodes[name] = {"block": {"kind": "dense", "size": width}, "inputs": source}
        elif choice == 2:
            nodes[name] = {"block": {"kind": draw.choice(ACTIVATIONS)}, "inputs": source}
        elif choice == 3:
            nodes[name] = {"block": _norm(draw), "inputs": source}
        elif choice == 4 and len(alive) > 1:
            nodes[name] = {"block": {"kind": "add"}, "inputs": tuple(draw.sample(alive, 2))}
        else:
            nodes[name] = {"block": _feed_forward(draw), "inputs": source}
        alive.append(name)
    shared = draw.choice(alive[1:])
    if nodes[shared]["block"]["kind"] not in ("add", "stack"):
        nodes["again"] = {"like": shared, "inputs": alive[-1]}
        alive.append("again")
    nodes["joined"] = {
        "block": {"kind": "concatenate"},
        "inputs": (alive[-1], *_unused(nodes, alive[:-1]), alive[0]),
    }
    nodes["head"] = {"block": {"kind": "classifier_head", "classes": 7}, "inputs": "joined"}
    nodes["token_loss"] = {
        "block": {"kind": "softmax_cross_entropy", "label_smoothing": draw.choice([0.0, 0.1])},
        "inputs": {"logits": "head", "labels": "labels", "weights": "label_weights"},
    }
    outputs = {"logits": "head", "loss": "token_loss"}
    if not any(node["block"]["kind"] == "stack" for node in nodes.values() if "block" in node):
        del inputs["example_ids"]
    return {"inputs": inputs, "nodes": nodes, "outputs": outputs, "bounds": {"sequence": 12}}


def _unused(nodes: dict, names: list[str]) -> list[str]:
    """Nodes that nothing reads yet, but for the first, which is joined anyway."""
    read = set()
    for node in nodes.values():
        wires = node["inputs"]
        read.update(
            wires.values() if isinstance(wires, dict) else [wires] if isinstance(wires, str) else wires
        )
    return [name for name in names[1:] if name not in read]


def _feed_forward(draw: random.Random) -> dict:
    return {
        "kind": draw.choice(["feed_forward", "gated_feed_forward"]),
        "size": 16,
        "activation": draw.choice(ACTIVATIONS),
        "bias": draw.random() < 0.5,
    }


def _stack(draw: random.Random) -> dict:
    return {
        "kind": "stack",
        "num_layers": draw.randint(1, 2),
        "norm": draw.choice([None, _norm(draw)]),
        "layer": {
            "kind": draw.choice(["pre_norm_layer", "post_norm_layer"]),
            "attention": {
                "kind": "attention",
                "num_heads": draw.choice([2, 3]),
                "mask": draw.choice(["causal", "bidirectional"]),
                "bias": draw.random() < 0.5,
            },
            "feed_forward": _feed_forward(draw),
            "norm": _norm(draw),
        },
    }


def _image(draw: random.Random) -> dict:
    inputs = {
        "image": {"shape": ("batch", 9, 11, 2)},
        "labels": {"shape": ("batch",), "dtype": "int32", "label": True},
    }
    nodes = {}
    branches = []
    for branch in range(draw.randint(1, 3)):
        source = "image"
        for depth in range(draw.randint(1, 3)):
            name = f"b{branch}_{depth}"
            nodes[name] = {"block": _image_block(draw, depth), "inputs": source}
            source = name
        nodes[f"flat{branch}"] = {"block": {"kind": "flatten"}, "inputs": source}
        nodes[f"dense{branch}"] = {"block": {"kind": "dense", "size": 10}, "inputs": f"flat{branch}"}
        branches.append(f"dense{branch}")
    last = branches[0]
    if len(branches) > 1:
        nodes["joined"] = {"block": {"kind": draw.choice(["add", "concatenate"])}, "inputs": tuple(branches)}
        last = "joined"
    nodes["active"] = {"block": {"kind": draw.choice(ACTIVATIONS)}, "inputs": last}
    nodes["head"] = {"block": {"kind": "classifier_head", "classes": 5}, "inputs": "active"}
    nodes["class_loss"] = {"block": {"kind": "softmax_cross_entropy"}, "inputs": ("head", "labels")}
    return {"inputs": inputs, "nodes": nodes, "outputs": {"logits": "head", "loss": "class_loss"}}


def _image_block(draw: random.Random, depth: int) -> dict:
    if depth and draw.random() < 0.3:
        return {"kind": "max_pool2d", "size": (2, 2), "stride": draw.choice([(1, 1), (2, 2)])}
    if depth and draw.random() < 0.4:
        return {"kind": draw.choice(ACTIVATIONS)}
    return {
        "kind": "conv2d",
        "channels": draw.choice([3, 4]),
        "size": draw.choice([(3, 3), (2, 3), (1, 1)]),
        "stride": draw.choice([(1, 1), (2, 1)]),
        "padding": draw.choice([((1, 1), (1, 1)), ((0, 1), (1, 2)), ((2, 2), (2, 2))]),
        "bias": draw.random() < 0.7,
    }
