"""``zoo train --replicas``: the processes that it starts, what ends them, and what the environment says instead."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner

from kill_chain import SPECS
from zoo_common.checkpoint import CheckpointStore
from zoo_common.cli.main import application
from zoo_common.cli.replicas import joined
from zoo_common.replicas import PeerLostError
from zoo_common.training.run_directory import read_metrics
from zoo_spec.errors import InputError

TRAIN = ("train", "--framework", "torch", "--spec", "mnist_fc", "--device", "cpu")
TORCHRUN = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29511"}


def test_a_world_of_another_size_than_is_asked_for_is_refused_in_one_line(monkeypatch, tmp_path):
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    found = CliRunner().invoke(application(), [*TRAIN, "--run-dir", str(tmp_path / "run"), "--replicas", "3"])
    assert found.exit_code == 2
    (line,) = found.stderr.splitlines()
    assert "--replicas is 3" in line
    assert "speaks of 2" in line


def test_a_port_that_is_in_use_is_told_by_its_number(monkeypatch, tmp_path):
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("MASTER_PORT", str(port))
        command = [*TRAIN, "--run-dir", str(tmp_path / "run"), "--replicas", "2"]
        found = CliRunner().invoke(application(), command)
    assert found.exit_code == 3
    (line,) = found.stderr.splitlines()
    assert f"port {port}" in line
    assert "MASTER_PORT" in line


@pytest.mark.parametrize("error", [InputError("wrong"), PeerLostError("gone"), KeyboardInterrupt()])
def test_others_are_left_whatever_ends_a_replica(monkeypatch, error):
    """Threads of torch's that are still there at the end abort the process, now and then."""
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    replicas = Mock()
    monkeypatch.setattr("zoo_common.backend.find_backend", lambda name: lambda: Mock(join=lambda _: replicas))
    with pytest.raises(type(error)), joined(Mock(), "torch", None):
        raise error
    replicas.leave.assert_called_once_with()
    replicas.barrier.assert_not_called()


def test_an_error_of_all_is_told_once_and_starts_nothing(tmp_path):
    found = CliRunner().invoke(application(), [*TRAIN, "--replicas", "2", "--set", "training.steps=0"])
    assert found.exit_code == 2
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="kills by signals")
def test_two_replicas_of_which_one_is_killed_begin_again_and_end_as_one_process_does(tmp_path):
    name, sizes = SPECS["weight_streaming"]
    changes = [*(each for each in sizes if "execution" not in each), "training.steps=12"]
    changes += ["training.save_every=2", "training.batch_size=5", "training.precision=float64"]
    changes += ["training.random=portable"]
    train = ["train", "--framework", "torch", "--spec", name, "--device", "cpu"]
    command = [*train, *(part for change in changes for part in ("--set", change)), "--json"]
    assert CliRunner().invoke(application(), [*command, "--run-dir", str(tmp_path / "one")]).exit_code == 0

    # Divided, so that both write the checkpoint.
    options = ("--run-dir", str(tmp_path / "two"), "--replicas", "2", "--max-restarts", "1")
    options += ("--set", "training.sharding=full")
    job = subprocess.Popen(
        [sys.executable, "-m", "zoo_common.cli.main", *command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    killed, told = [], []
    for line in job.stderr:
        told.append(line)
        if "step 1/12" in line and not killed:
            killed = psutil.Process(job.pid).children()
            killed[-1].kill()
    said = job.stdout.read()
    assert job.wait() == 0, told
    assert len([line for line in told if "was ended by SIGKILL" in line and "started again" in line]) == 1
    assert json.loads(said)["final"]["train"]["step"] == 12
    assert not [each for each in killed if each.is_running()]
    assert [row["step"] for row in read_metrics(tmp_path / "two" / "metrics.jsonl")][:12] == [*range(1, 13)]
    one, two = (CheckpointStore(tmp_path / run / "checkpoints").latest() for run in ("one", "two"))
    assert len(list(two.path.glob("weights-*.safetensors"))) == 2
    for found, wanted in ((two.weights(), one.weights()), (two.optimizer(), one.optimizer())):
        assert set(found) == set(wanted)
        for name, value in wanted.items():
            np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-12)
