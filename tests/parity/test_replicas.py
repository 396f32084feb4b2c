"""Replicas of a model train it as one process does, in float64."""

from __future__ import annotations

import json
import pickle
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch.distributed as dist

import launch
from fleet import fleet
from replicated import apart, made, model_of, trained
from zoo_common.backend import find_backend, import_state
from zoo_common.data import batch, open_dataset
from zoo_common.replicas import Environment, PeerLostError, ToldError
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.training.optimizers import AdamW
from zoo_torch.replicas import meet

LIMIT = 1e-12
TEXT = (
    "data.kind=generated",
    "training.random=portable",
    "model.dropout=0.1",
    "model.attention_dropout=0.2",
    "training.optimizer={kind: adamw, weight_decay: 0.1, max_gradient_norm: 0.5}",
)
SYNCHRONIZED = "model.norm.statistics=synchronized"


@pytest.mark.parametrize(
    ("size", "name", "overrides"),
    [
        (3, "bert_tiny", (*TEXT, "training.batch_size=8", "training.micro_batch_size=4")),
        (4, "gpt2_tiny", (*TEXT, "training.batch_size=3")),  # One of them has no rows.
        (
            2,
            "bert_tiny_classification",
            (*TEXT, "training.batch_size=5", 'training.freeze=["embeddings"]', "training.recompute=true"),
        ),
        # Of the last micro-batch two have a row each, and two have none.
        (4, "unet_tiny", ("training.batch_size=8", "training.micro_batch_size=2", SYNCHRONIZED)),
    ],
)
def test_replicas_equal_one_process_and_each_other_bit_for_bit(size, name, overrides):
    spec = made(name, *overrides)
    losses, wanted = trained("torch", spec)
    for told, state in (found := fleet(size, lambda replicas: trained("torch", spec, replicas))):
        np.testing.assert_allclose(told, losses, rtol=0, atol=LIMIT)
        assert apart(state, wanted) < LIMIT
        assert apart(state, found[0][1]) == 0


@pytest.fixture
def joined():
    """A replica that has joined torch's own group, with nobody else in it."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    replicas = find_backend("torch")().join(Environment(0, 1, 0, f"127.0.0.1:{port}", timeout=60))
    yield replicas
    replicas.leave()


def test_replicas_of_torch_that_were_told_of_other_numbers_of_them_or_do_not_come_are_named():
    def tried(store, rank, size):
        try:
            return meet(store, Environment(rank, size, rank, "here:5", timeout=0.3))
        except (InputError, ToldError, PeerLostError) as error:
            return error

    for sizes, raised in (((2, 2), ()), ((3, 2), (InputError, ToldError)), ((2, 3), (InputError, ToldError))):
        store = dist.HashStore()
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda rank: tried(store, rank, sizes[rank]), (0, 1)))  # noqa: B023
        assert tuple(type(each) for each in found if each) == raised
        if raised:
            assert str(found[0]).splitlines()[1:] == [f"  replica {rank}: {sizes[rank]}" for rank in (0, 1)]
    alone = tried(dist.HashStore(), 0, 3)
    assert str(alone) == "replica 1, 2 did not come to here:5 within 0.3 s"


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("gpt2_tiny", (*TEXT, "training.batch_size=3", "training.micro_batch_size=1")),
        ("t5_tiny", (*TEXT, "training.batch_size=2", "training.recompute=true")),
        ("unet_tiny", ("training.batch_size=4", 'training.freeze=["encoder_0_*"]')),  # Nothing repeats.
    ],
)
def test_a_model_that_is_divided_trains_as_a_whole_one_and_its_state_goes_on_whole(name, overrides, joined):
    spec, divided = made(name, *overrides), made(name, *overrides, "training.sharding=full")
    losses, wanted = trained("torch", spec)
    told, state = trained("torch", divided, joined)
    np.testing.assert_allclose(told, losses, rtol=0, atol=LIMIT)
    assert set(state.weights) == set(wanted.weights)
    assert apart(state, wanted) < LIMIT
    again, whole = model_of("torch", divided, joined), model_of("torch", spec)
    for model in (again, whole):
        import_state(model, state)
    data = batch(open_dataset(spec, None, "train"), 0, 9, spec.training.batch_size)
    for found, other in (
        (again.evaluate_step(data), whole.evaluate_step(data)),
        (again.gradients(data), whole.gradients(data)),
    ):
        for key, value in other.items():
            np.testing.assert_allclose(found[key], value, rtol=0, atol=LIMIT, err_msg=key)
    assert apart(again.export_state(), whole.export_state()) == 0


def test_an_optimizer_that_reads_whole_tensors_is_not_given_parts_of_them(joined, monkeypatch):
    monkeypatch.setattr(AdamW, "elementwise", False)
    with pytest.raises(InputError, match="the optimizer 'adamw' reads whole tensors"):
        model_of("torch", made("gpt2_tiny", *TEXT, "training.sharding=full"), joined)


def test_local_statistics_become_the_mean_of_the_replicas_weighted_by_their_rows():
    spec = made("unet_tiny", "training.batch_size=5")
    _, alone = trained("torch", spec, steps=1)
    states = [state for _, state in fleet(3, lambda replicas: trained("torch", spec, replicas, steps=1))]
    assert [apart(state, states[0]) for state in states] == [0, 0, 0]
    name = next(name for name in alone.weights if name.endswith("running_mean"))  # Before any other norm.
    np.testing.assert_allclose(states[0].weights[name], alone.weights[name], rtol=0, atol=LIMIT)
    variance = name.replace("mean", "var")
    assert np.abs(states[0].weights[variance] - alone.weights[variance]).max() > 1e-6  # Nobody saw all rows.


def test_a_dropout_of_values_that_belong_to_no_row_drops_the_same_on_every_replica():
    x, labels = ("batch", 5, 8), ("batch", 5)
    nodes = {
        "bias": {"block": {"kind": "relative_positions", "num_heads": 2}, "inputs": ("x",)},
        "dropped": {"block": {"kind": "dropout", "rate": 0.5}, "inputs": ("bias",)},
        "mixed": {
            "block": {"kind": "relative_attention", "num_heads": 2, "head_size": 4},
            "inputs": {"x": "x", "position_bias": "dropped"},
        },
        "loss": {
            "block": {"kind": "softmax_cross_entropy"},
            "inputs": {"logits": "mixed", "labels": "labels"},
        },
    }
    inputs = {"x": {"shape": x}, "labels": {"shape": labels, "dtype": "int32", "label": True}}
    outputs = {"mixed": "mixed", "loss": "loss"}
    spec = ExperimentSpec.model_validate(
        {
            "model": {"kind": "graph", "inputs": inputs, "nodes": nodes, "outputs": outputs},
            "data": {"kind": "generated"},
            "training": {"random": "portable", "batch_size": 4},
        }
    )
    _, wanted = trained("torch", spec)
    for _, state in fleet(2, lambda replicas: trained("torch", spec, replicas)):
        assert apart(state, wanted) < LIMIT


@pytest.mark.skipif(sys.platform != "linux", reason="the replicas are forked where TensorFlow is loaded")
def test_replicas_of_tensorflow_equal_one_process_and_each_other_bit_for_bit(tmp_path):
    frozen = 'training.freeze=["embeddings"]'
    cases = [
        ("gpt2_tiny", *TEXT, "training.batch_size=2", frozen),  # One of three has no rows.
        # Of each micro-batch one has none, whose row of zeros meets the others' batch norms.
        ("unet_tiny", "training.batch_size=4", "training.micro_batch_size=2", SYNCHRONIZED),
    ]
    done = launch.python(
        "-c", REPLICAS, json.dumps(cases), path=[Path(launch.__file__).parent], cwd=tmp_path, loaded="tf"
    )
    assert done.returncode == 0, done.stderr
    found = pickle.loads((tmp_path / "found").read_bytes())
    for number, case in enumerate(cases):
        losses, wanted = trained("tf", made(*case))
        for told, state in (replica[number] for replica in found):
            np.testing.assert_allclose(told, losses, rtol=0, atol=LIMIT)
            assert apart(state, wanted) < LIMIT
            assert apart(state, found[0][number][1]) == 0


def test_tensorflow_says_in_one_line_that_another_replica_has_gone():
    import tensorflow as tf

    from zoo_tf.replicas import talking

    said = "{{function_node x}} Collective has timed out waiting for other workers. [Op:CollectiveReduceV2] name:"
    line = r"has gone.*: Collective has timed out waiting for other workers$"
    with pytest.raises(PeerLostError, match=line), talking():
        raise tf.errors.DeadlineExceededError(None, None, said)
    with pytest.raises(tf.errors.InvalidArgumentError), talking():
        raise tf.errors.InvalidArgumentError(None, None, "logits and labels must be broadcastable")


REPLICAS = """
import json, pickle, sys
from forked import forked
from replicated import made, trained

def run(replicas):
    said = ["", "one", "a" * 1000]
    assert replicas.gather(said[replicas.rank].encode()) == [each.encode() for each in said]
    return [trained("tf", made(*case), replicas) for case in json.loads(sys.argv[1])]

with open("found", "wb") as file:
    pickle.dump(forked(3, run), file)
"""
