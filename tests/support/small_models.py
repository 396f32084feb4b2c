"""Every shipped family at a small size, weights and inputs for it, and how outputs are compared.

Used by the checks of both frameworks, so it knows neither.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from functools import cache
from math import sqrt
from pathlib import Path

import numpy as np

import launch
from distinct import one_layer, parts
from drawn import all_cases, some
from zoo_common.data.generated import GeneratedExamples, id_limits
from zoo_spec import list_specs, load_spec
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_spec.random import Stream

SMALL = {
    "hidden_size": 16,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 2,
    "head_size": 2,
    "intermediate_size": 24,
    "vocab_size": 50,
    "max_positions": 32,
    "rotary_dims": 4,
    "hidden_sizes": "[12, 9]",
    "image_size": "[16, 16]",
    "patch_size": 4,
    "filters": "[6, 8, 10]",
    "waveform_encoder": "{channels: [8, 8, 8], sizes: [20, 8, 6], strides: [10, 8, 4]}",
}
CLASSES = 7
SIZES = {
    "samples": 4500,
    "labels": 3,
    "batch": 3,
    "sequence": 7,
    "target_sequence": 6,
    "predictions": 4,
    "sentences": 3,
    "examples": 2,
}

# No loss; and one that torch computes by lengths, which torch.export does not trace at open sizes.
WITHOUT_A_TRACED_LOSS = ("representation", "ctc")

Arrays = dict[str, np.ndarray]


@cache
def cases() -> tuple[str, ...]:
    """One shipped spec a family, the first whose loss both compilers take; of those that are composed a drawn one."""
    families: dict[str, list[str]] = {}
    for name in list_specs():
        spec = load_spec(name)
        if spec.task.kind not in WITHOUT_A_TRACED_LOSS:
            families.setdefault(spec.model.kind, []).append(name)
    composed = families.pop("graph")
    return (*(names[0] for names in families.values()), *some("composed", composed))


@cache
def small_spec(name: str, *overrides: str) -> ExperimentSpec:
    """The shipped spec, with those of its sizes that it has cut down; dropout stays as it is."""
    spec = load_spec(name)
    given = {override.partition("=")[0] for override in overrides}
    sizes = {f"model.{key}": size for key, size in SMALL.items() if key in type(spec.model).model_fields}
    sizes |= (
        {"task.classes": min(CLASSES, spec.task.classes)} if "classes" in type(spec.task).model_fields else {}
    )
    small = [f"{path}={size}" for path, size in sizes.items() if path not in given]
    return load_spec(name, overrides=[*small, *overrides])


@cache
def thin_spec(name: str) -> ExperimentSpec:
    """``small_spec`` with one layer, if that has each kind of block in each other and with each set of inputs.

    For tools that go through the layers one by one, and take as long for a second that is like the first. That they
    take several is for the first of ``cases`` to show, and for all with ``--all-cases``.
    """
    spec = small_spec(name)
    thin = small_spec(name, *one_layer(name))
    return spec if all_cases() or name == cases()[0] or parts(thin) != parts(spec) else thin


def probe_weights(graph: Graph, seed: int = 1) -> Arrays:
    """Weights that no error hides behind: nothing is zero or one, and values stay of order one throughout."""
    weights = {}
    for name, parameter in graph.parameters().items():
        fan_in = np.prod(parameter.shape[1:], dtype=int)
        uniform = 2 * Stream(seed, "probe", name).uniforms(parameter.size).reshape(parameter.shape) - 1
        if len(parameter.shape) > 1:
            value = uniform * sqrt(6 / fan_in)
        elif parameter.role == "norm" and name.endswith(("weight", "running_var")):
            value = 1 + uniform / 2
        else:
            value = uniform
        weights[name] = value.astype(np.float32)
    return weights


def draw_inputs(graph: Graph, names: Iterable[str], *, seed: int = 0, **sizes: int) -> Arrays:
    """Valid values for these inputs, in this order; a name has the same values whatever else is drawn."""
    wanted = {**SIZES, **sizes}
    chosen = {name: min(wanted[name], bound.maximum or wanted[name]) for name, bound in graph.bounds.items()}
    bound = {name: graph.inputs[name].bind(chosen) for name in names}
    examples = GeneratedExamples(
        {name: spec.with_shape(*spec.shape[1:]) for name, spec in bound.items()},
        limits=id_limits(graph, chosen),
        weights=frozenset(),
        samples=chosen["batch"],
        seed=seed,
        split="train",
    )
    rows = [examples.example(0, index) for index in range(chosen["batch"])]
    weights = {part.weights for part in graph.loss_parts}
    drawn = {name: np.stack([row[name] for row in rows]) for name in bound}
    return {name: np.abs(value) if name in weights else value for name, value in drawn.items()}


def subsets(graph: Graph) -> dict[str, list[str]]:
    """Which inputs a user may give: all, features alone, the required alone, and others between."""
    required = [name for name, spec in graph.inputs.items() if not spec.optional]
    optional = [name for name, spec in graph.inputs.items() if spec.optional]
    # A packed row's pooled outputs are [batch, examples], and next_sentence_labels are declared [batch].
    everything = [name for name in graph.inputs if name != "pooled_positions"]
    first_label = min(graph.labels, default=None)
    found = {
        "everything": everything,
        "features": graph.features,
        "required": required,
        "all but one label": [name for name in everything if name != first_label],
        "labels alone": [*required, *sorted(graph.labels)],
        "every other optional": [*required, *optional[::2]],
    }
    of_labels = {"all but one label", "labels alone"}
    return {
        case: names
        for case, names in found.items()
        if fits(names) and (graph.labels or case not in of_labels)
    }


def distinct_subsets(graph: Graph) -> list[list[str]]:
    """Those of ``subsets`` that are not the same inputs as another's."""
    return list({frozenset(names): names for names in subsets(graph).values()}.values())


def fits(names: Iterable[str]) -> bool:
    """Whether the inputs may be given together."""
    return not {"pooled_positions", "next_sentence_labels"} <= set(names)


def expected_outputs(graph: Graph, names: Iterable[str]) -> set[str]:
    """The outputs that these inputs lead to, by the rule: a node needs all its required ports."""
    present = set(names)
    for node in graph.nodes.values():
        if all(node.inputs[port].source in present for port in node.required):
            present.add(node.name)
    return {name for name, ref in graph.output_refs.items() if ref.source in present}


def shuffled(values: Mapping[str, object]) -> dict[str, object]:
    """The same by name, in another order."""
    return dict(sorted(values.items(), reverse=True)[1:] + sorted(values.items(), reverse=True)[:1])


def assert_same(got: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], tolerance: float) -> None:
    """The same names, shapes and dtypes; values within ``tolerance`` of the largest expected one."""
    assert set(got) == set(expected)
    for name, value in expected.items():
        assert (got[name].shape, got[name].dtype) == (value.shape, value.dtype), name
        scale = np.abs(value).max()
        assert np.isfinite(scale), f"{name}: {scale}"
        # Written so that a NaN fails.
        assert np.abs(got[name] - value).max() <= tolerance * scale, name


def assert_worth_comparing(outputs: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]) -> None:
    """Outputs are neither near zero nor huge, and answer to the input; two means may be close by chance."""
    for name, value in outputs.items():
        assert 0.05 < np.abs(value).max() < 1000, f"{name}: {np.abs(value).max()}"
        if not name.endswith("_denominator"):
            apart = 0.01 if np.ndim(value) else 1e-5
            assert np.abs(value - others[name]).max() > apart * np.abs(value).max(), name


def in_fresh_process(code: str, *arguments: Path | str, loaded: str = "") -> str:
    """What the code prints in a process that knows only what it imports; ``arguments`` are its argv.

    ``loaded`` are the libraries that it begins with (``launch.LIBRARIES``).
    """
    done = launch.python("-c", textwrap.dedent(code), *arguments, loaded=loaded)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
