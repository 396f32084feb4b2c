"""Whose rows are whose, and what the environment says of a replica."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from zoo_common.replicas import Environment, PeerLostError, ToldError, addresses, launcher, share, share_each
from zoo_common.training.loop import require_replicable
from zoo_spec import load_spec
from zoo_spec.errors import EnvironmentFault, InputError, SpecError


def batch(count):
    return {"x": np.arange(count), "y": -np.arange(count)}


@pytest.mark.parametrize(
    ("count", "micro", "size"), [(12, 4, 2), (12, 4, 5), (3, None, 4), (7, 2, 3), (1, 1, 2), (6, 6, 1)]
)
@pytest.mark.parametrize("divide", [share, share_each])
def test_every_row_is_one_replicas_at_the_place_that_it_has_in_its_micro_batch(divide, count, micro, size):
    rows = batch(count)
    found = [each for rank in range(size) for each in divide(rows, micro, rank, size)]
    seen = sorted(int(x) for each in found for x in each.batch["x"])
    assert seen == list(range(count))
    for each in found:
        start = each.number * (micro or count)
        assert each.batch["x"].tolist() == [start + each.first + row for row in range(each.count)]
        assert each.batch["y"].tolist() == [-(start + each.first + row) for row in range(each.count)]
        assert each.whole == min(micro or count, count - start)


def test_rows_are_shared_out_evenly_and_the_last_have_none():
    counts = [sum(each.count for each in share(batch(10), 3, rank, 4)) for rank in range(4)]
    assert sorted(counts) == [2, 2, 3, 3]
    assert [len(share(batch(3), None, rank, 4)) for rank in range(4)] == [1, 1, 1, 0]


def test_replicas_that_meet_inside_of_each_micro_batch_get_as_many_of_them():
    assert {len(share_each(batch(9), 2, rank, 3)) for rank in range(3)} == {5}


def test_what_is_written_for_a_replica_is_read_by_it():
    said = Environment(1, 2, 1, "localhost:5000", ("localhost:5001", "localhost:5002"))
    assert Environment.read(said.variables()) == said
    alone = Environment(2, 4, 0, "head:29500", timeout=7.0)
    assert Environment.read(alone.variables(), 7.0) == alone


def test_a_chief_comes_before_the_workers_and_those_of_one_host_share_its_devices():
    cluster = {"chief": ["a:1"], "worker": ["b:1", "b:2"]}
    config = {"cluster": cluster, "task": {"type": "worker", "index": 1}}
    found = Environment.read({"TF_CONFIG": json.dumps(config)})
    assert (found.rank, found.size, found.local_rank, found.first) == (2, 3, 1, "a:1")


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK is 2 and WORLD_SIZE 2"),
        ({"RANK": "x", "WORLD_SIZE": "2"}, "RANK is 'x'"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, "MASTER_ADDR and MASTER_PORT not"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG is not of the form"),
        (
            {"TF_CONFIG": '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}'},
            "this process is ps",
        ),
        (
            {
                "TF_CONFIG": '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}',
                "RANK": "0",
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "a",
                "MASTER_PORT": "1",
            },
            "worker 0 of 1, RANK and WORLD_SIZE say 0 of 2",
        ),
    ],
)
def test_an_environment_that_makes_no_sense_is_refused_by_name(variables, says):
    with pytest.raises(InputError, match=says):
        Environment.read(variables)


def test_an_environment_that_speaks_of_no_replicas_is_that_of_one_process():
    assert Environment.read({"HOME": "/"}) is None
    assert Environment.read({"TF_CONFIG": "{}"}) is None


def met(rank: int, size: int, port: int, timeout: float = 20.0) -> tuple[str, ...]:
    return addresses(Environment(rank, size, rank, f"127.0.0.1:{port}", timeout=timeout))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_replicas_that_know_where_the_first_is_all_learn_where_each_is():
    port = free_port()
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda rank: met(rank, 3, port), (2, 1, 0)))
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == 3
    assert all(address.startswith("127.0.0.1:") for address in found[0])


def test_one_that_does_not_come_is_named():
    with pytest.raises(PeerLostError, match=r"replica 1, 2 did not come to 127.0.0.1:\d+ within 0.1 s"):
        met(0, 3, free_port(), timeout=0.1)
    with pytest.raises(PeerLostError, match=r"replica 1 met nobody at 127.0.0.1:\d+ within 0.1 s"):
        met(1, 3, free_port(), timeout=0.1)


def test_replicas_that_were_told_of_other_numbers_of_them_say_so_on_the_first():
    def tried(rank, size):
        try:
            return met(rank, size, port)
        except (InputError, ToldError) as error:
            return error

    port = free_port()
    with ThreadPoolExecutor(2) as pool:
        first, other = pool.map(tried, (0, 1), (3, 2))
    assert type(first) is InputError
    assert type(other) is ToldError
    assert other.exit_status == first.exit_status == 2
    assert str(first).splitlines()[1:] == ["  replica 0: 3", "  replica 1: 2"]


def test_a_port_to_meet_at_that_is_in_use_is_named():
    with (
        socket.create_server(("", 0)) as server,
        pytest.raises(EnvironmentFault, match=r"cannot meet at .*; give another port"),
    ):
        met(0, 2, server.getsockname()[1])


def test_a_model_is_divided_by_a_framework_that_can_and_not_where_it_is_streamed():
    divided = load_spec("bert_tiny", ["training.sharding=full"]).training
    require_replicable(divided, "torch", 2)
    with pytest.raises(EnvironmentFault, match="Keras does not divide a model over replicas, PyTorch does"):
        require_replicable(divided, "tf", 2)
    with pytest.raises(SpecError, match="'full' and execution 'weight_streaming' do not go together"):
        load_spec("bert_tiny", ["training.sharding=full", "training.execution=weight_streaming"])


@pytest.mark.parametrize(("name", "title"), [("torch", "PyTorch"), ("tf", "Keras")])
def test_what_is_streamed_is_trained_by_one_process(name, title):
    streamed = load_spec("gpt2_tiny", ["training.execution=weight_streaming"]).training
    require_replicable(streamed, name, 1)
    with pytest.raises(EnvironmentFault, match=f"{title} streams weights in one process, and there are 2"):
        require_replicable(streamed, name, 2)


@pytest.mark.skipif(os.name != "posix", reason="kills by signals")
def test_a_job_ends_with_a_replica_that_was_killed_and_waits_for_no_other(tmp_path, monkeypatch, capfd):
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    other = "import pathlib, sys, time; time.sleep(20); pathlib.Path(sys.argv[1]).touch()"

    def start(arguments, environment, beside):
        code = killed if environment.rank else other
        return subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE)

    monkeypatch.setattr(launcher, "_process", start)
    monkeypatch.setattr(launcher, "_GRACE", 60.0)
    waited = tmp_path / "waited"
    assert launcher.launch([str(waited)], 2) == EnvironmentFault.exit_status
    assert "replica 1 of 2" in capfd.readouterr().err
    assert not waited.exists()
