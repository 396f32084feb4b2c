"""Both backends against an implementation that nobody here wrote: the installed ``transformers``, in float64.

``tests/support/references`` has a row for each family and task. Shapes are ones that ship nowhere, every parameter
is redrawn, and everything that both sides give is compared: outputs, losses, and gradients by canonical name. Ours is
what ``zoo import`` makes of what the reference's ``save_pretrained`` writes.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

import zoo_tf
import zoo_torch
from references import FAMILIES
from references.base import LENGTHS
from references.bert import bert_config
from zoo_common.checkpoint import CheckpointStore
from zoo_common.interop import from_transformers, to_transformers
from zoo_common.published import import_published
from zoo_spec import load_spec
from zoo_spec.experiment import ExperimentSpec
from zoo_tf.leaves import named_variables, to_canonical

LIMIT = 1e-10  # of the tensor's largest magnitude


@pytest.fixture(autouse=True)
def _one_thread():
    """Tensors this small wait for threads a hundred times longer than they compute on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


each_variant = pytest.mark.parametrize(
    ("family", "variant"), [(name, variant) for name, row in FAMILIES.items() for variant in row.variants]
)
each_family = pytest.mark.parametrize("family", FAMILIES)
each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])


def draw_weights(spec: ExperimentSpec) -> dict[str, np.ndarray]:
    """Order one in biases, norms and tables; matrices such that what they give is, lest softmax saturate."""
    rng = np.random.default_rng(7)
    weights = {}
    for name, parameter in spec.graph().parameters().items():
        scale = 1.5 / np.sqrt(parameter.shape[-1]) if parameter.role == "weight" else 1.0
        weights[name] = scale * rng.standard_normal(parameter.shape)
    return weights


@cache
def draw_inputs(family: str, variant: str) -> dict[str, np.ndarray]:
    return FAMILIES[family].draw_inputs(variant)


@cache
def reference_model(family: str):
    row = FAMILIES[family]
    model = row.build_reference()
    tensors = to_transformers(row.spec(), draw_weights(row.spec()))
    model.load_state_dict(
        {name: torch.from_numpy(array.copy()) for name, array in tensors.items()}, strict=True
    )
    return model


@cache
def reference_results(family: str, variant: str) -> dict[str, np.ndarray]:
    """What ``transformers`` gives, under the names of our outputs, and ``gradient of <canonical name>``."""
    return run_reference(family, draw_inputs(family, variant))


def run_reference(family: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    row, model = FAMILIES[family], reference_model(family)
    tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
    results = row.call(
        model, {name: value if value.is_floating_point() else value.long() for name, value in tensors.items()}
    )
    gradients = {}
    if "loss" in results:
        # Marian keeps its sinusoids as parameters that are not trained.
        trained = [(name, each) for name, each in model.named_parameters() if each.requires_grad]
        names, parameters = zip(*trained, strict=True)
        found_gradients = torch.autograd.grad(results["loss"], parameters)
        gradients = from_transformers(
            row.spec(), {name: g.numpy() for name, g in zip(names, found_gradients, strict=True)}
        )
    return {name: value.detach().numpy() for name, value in results.items()} | {
        f"gradient of {name}": value for name, value in gradients.items()
    }


@cache
def imported(family: str):
    """The spec and the weights of the run at step 0 that an import of the reference's folder is."""
    row = FAMILIES[family]
    with TemporaryDirectory() as folder:
        hub, run = Path(folder, "hub"), Path(folder, "run")
        reference_model(family).save_pretrained(hub)
        if not row.is_published:
            state = reference_model(family).state_dict()
            return row.spec(), from_transformers(row.spec(), state)
        done = import_published(hub, run, task=row.asked)
        assert done.spec.task.kind == row.task
        assert not done.report.of("new")
        return done.spec, dict(CheckpointStore(run / "checkpoints").latest_weights().weights())


@cache
def our_model(family: str, framework: str, **changes):
    """The imported model; what its configuration does not say, and ``changes``, are as the row has them."""
    room = {"torch": zoo_torch, "tf": zoo_tf}[framework]
    (spec, weights), row = imported(family), FAMILIES[family].spec()
    unsaid = {name: getattr(row.model, name) for name in FAMILIES[family].unsaid}
    if unsaid or changes:
        spec = spec.model_copy(update={"model": changed(spec.model, {**unsaid, **changes}), "task": row.task})
    model = room.compile(spec, seed=0, dtype="float64")
    room.set_weights(model, {name: weights[name] for name in spec.graph().parameters()})
    return model


def changed(model, fields):
    """The model with these flat fields, which fill its slots anew."""
    values = model.model_dump(serialize_as_any=True)
    for slot, fills in type(model).slots.items():
        for flat, field in fills.items():
            if flat in fields:
                values[slot].pop(field, None)
        for name in fields:
            if name == slot:
                values[slot] = fields[slot]
    return type(model).model_validate({**values, **fields})


@cache
def our_results(family: str, framework: str, variant: str) -> dict[str, np.ndarray]:
    """What the imported model gives, under the reference's names."""
    return run_ours(our_model(family, framework), framework, draw_inputs(family, variant))


def run_ours(model, framework: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if framework == "torch":
        outputs = model(**{name: torch.from_numpy(value) for name, value in inputs.items()})
        gradients = {}
        if "loss" in outputs:
            names, parameters = zip(*model.named_parameters(), strict=True)
            found = torch.autograd.grad(outputs["loss"], parameters)
            gradients = {name: value.numpy() for name, value in zip(names, found, strict=True)}
        outputs = {name: value.detach().numpy() for name, value in outputs.items()}
    else:
        variables = dict(named_variables(model))
        with tf.GradientTape() as tape:
            outputs = model({name: tf.constant(value) for name, value in inputs.items()})
        gradients = {}
        if "loss" in outputs:
            found = tape.gradient(outputs["loss"], [variable.value for variable in variables.values()])
            gradients = {
                name: to_canonical(variable, tf.convert_to_tensor(value).numpy())
                for (name, variable), value in zip(variables.items(), found, strict=True)
            }
        outputs = {name: value.numpy() for name, value in outputs.items()}
    return outputs | {f"gradient of {name}": value for name, value in gradients.items()}


def gaps(
    ours: dict[str, np.ndarray],
    theirs: dict[str, np.ndarray],
    inputs: dict[str, np.ndarray],
    rows: tuple[str, ...] = ("hidden_states",),
):
    """Largest difference of each result, as a share of its largest magnitude; at padding there is none.

    A gradient's magnitude is at least a thousandth of the largest one: some are zero but for rounding.
    """
    ids = "decoder_example_ids" if "decoder_input_ids" in inputs else "example_ids"
    real = inputs[ids] > 0 if ids in inputs else ...
    floor = max(
        (1e-3 * np.abs(value).max() for name, value in theirs.items() if "gradient" in name), default=0.0
    )
    found = {}
    for name, wanted in theirs.items():
        given = ours[name]
        assert given.shape == wanted.shape, name
        assert given.dtype == wanted.dtype == np.float64, name
        if name in rows:
            given, wanted = given[real], wanted[real]
        scale = np.abs(wanted).max()
        found[name] = np.abs(given - wanted).max() / (max(scale, floor) if "gradient" in name else scale)
    return found


def worst(found: dict[str, float]) -> str:
    name = max(found, key=lambda each: np.nan_to_num(found[each], nan=np.inf))
    return f"{name}: {found[name]:.1e} of its largest magnitude"


@each_framework
@each_variant
def test_everything_equals_transformers(family, variant, framework):
    inputs, theirs = draw_inputs(family, variant), reference_results(family, variant)
    ours = our_results(family, framework, variant)
    expected = set(FAMILIES[family].spec().graph().outputs) - {
        name for name in ours if name.endswith(("_loss", "_numerator", "_denominator"))
    }
    assert {name for name in theirs if "gradient" not in name} == expected
    if "loss" in ours:
        assert {f"gradient of {name}" for name in draw_weights(FAMILIES[family].spec())} < theirs.keys()
    row = FAMILIES[family]
    found = gaps(ours, theirs, row.ids(row.spec(), inputs), row.rows)
    assert all(gap <= LIMIT for gap in found.values()), worst(found)
    gradients = {name: np.abs(value).max() for name, value in ours.items() if "gradient" in name}
    for name, size in gradients.items():
        # Softmax does not feel what a key bias adds to all scores of a query alike.
        assert (size < 1e-12 * max(gradients.values())) == name.endswith(FAMILIES[family].still), name
    for name in expected:
        assert 0.1 < np.abs(theirs[name]).max() < 100, (
            f"{name} is out of scale, so the comparison says little"
        )


@each_framework
@each_family
def test_each_variant_of_the_inputs_gives_other_results(family, framework):
    row = FAMILIES[family]
    variants = row.variants
    found = {
        variant: our_results(family, framework, variant)[row.rows[0]][-1, row.witness] for variant in variants
    }
    for index, one in enumerate(variants):
        for other in variants[index + 1 :]:
            assert np.abs(found[one] - found[other]).max() > 1e-3, (one, other)


@each_framework
def test_a_packed_row_equals_its_examples_in_rows_of_their_own(framework):
    """``[first, second, padding]`` against the reference on two padded rows, gradients included."""
    family, lengths, total = "bert-pretraining", LENGTHS[1:], 19
    apart = {name: value[1:] for name, value in draw_inputs(family, "padded").items()}
    starts = np.cumsum([0, *lengths])[:2]
    row_of, place = np.repeat([0, 1], lengths), np.concatenate([np.arange(length) for length in lengths])
    packed = {"positions": place, "example_ids": row_of + 1}
    packed |= {name: apart[name][row_of, place] for name in ("input_ids", "token_type_ids")}
    packed = {name: np.pad(value, (0, total - sum(lengths)))[None] for name, value in packed.items()}
    packed["pooled_positions"] = starts[None]
    packed["masked_positions"] = (apart["masked_positions"] + starts[:, None]).reshape(1, -1)
    packed = {name: value.astype(np.int32) for name, value in packed.items()}
    packed |= {
        name: apart[name].reshape(1, -1) for name in ("masked_ids", "masked_weights", "next_sentence_labels")
    }

    ours, theirs = run_ours(our_model(family, framework), framework, packed), run_reference(family, apart)
    spread = np.zeros_like(theirs["hidden_states"])
    spread[row_of, place] = ours["hidden_states"][0, : sum(lengths)]
    shaped = {
        name: ours[name].reshape(theirs[name].shape)
        for name in ("pooled", "next_sentence_logits", "masked_logits")
    }
    found = gaps(ours | shaped | {"hidden_states": spread}, theirs, apart)
    assert all(gap <= LIMIT for gap in found.values()), worst(found)


@each_framework
@pytest.mark.parametrize(
    "change",
    [{"activation": "gelu_tanh"}, {"layer_norm_epsilon": 3.01e-3}, {"num_heads": 8}],
    ids=lambda change: next(iter(change)),
)
def test_a_planted_difference_is_seen(change, framework):
    inputs = draw_inputs("bert-pretraining", "padded")
    model = our_model("bert-pretraining", framework, **change)
    found = gaps(run_ours(model, framework, inputs), reference_results("bert-pretraining", "padded"), inputs)
    for name in ("hidden_states", "pooled", "masked_logits", "next_sentence_logits", "loss"):
        assert found[name] > 1e3 * LIMIT, name


@each_family
def test_every_tensor_of_the_reference_has_a_name_and_comes_back(family, tmp_path):
    from safetensors.numpy import load_file

    row, model = FAMILIES[family], reference_model(family)
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    weights = from_transformers(row.spec(), state)
    back = to_transformers(row.spec(), weights)
    assert back.keys() == state.keys()
    assert all(np.array_equal(back[name], state[name]) for name in state)
    model.save_pretrained(tmp_path)
    saved = from_transformers(row.spec(), load_file(tmp_path / "model.safetensors"))
    assert weights.keys() == saved.keys()
    assert all(np.array_equal(saved[name], weights[name]) for name in weights)


def test_a_shipped_spec_has_the_reference_s_names_and_shapes():
    spec = load_spec("bert_base")
    weights = {
        name: np.broadcast_to(np.float32(0), parameter.shape)
        for name, parameter in spec.graph().parameters().items()
    }
    with torch.device("meta"):
        model = transformers.BertForPreTraining(bert_config(spec.model))
    theirs = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert {name: array.shape for name, array in to_transformers(spec, weights).items()} == theirs
