"""Replicas meet at a port: what else may listen there, and one that comes and stands still, is told in one line."""

import os
import socket
import subprocess
import sys
from threading import Thread

import numpy as np
import pytest

from zoo_common.replicas import Environment, PeerLostError
from zoo_common.replicas.meeting import free_port
from zoo_torch.replicas import join


def test_a_replica_that_finds_another_program_at_the_port_says_so_in_one_line(capfd):
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]

        def hang_up():
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        Thread(target=hang_up, daemon=True).start()
        with pytest.raises(PeerLostError) as refusal:
            join(Environment(1, 2, 1, f"localhost:{port}", timeout=4))
        server.shutdown(socket.SHUT_RDWR)
    message = str(refusal.value)
    assert message.startswith(f"replica 1 met no other at localhost:{port}: ")
    assert message.endswith("give another port (MASTER_PORT)")
    assert len(message.splitlines()) == 1
    assert capfd.readouterr().err == ""


STANDS_STILL = """
import os, signal, sys
from zoo_common.replicas import Environment
from zoo_torch.replicas import join
others = join(Environment(1, 2, 1, sys.argv[1], timeout=30))
others.barrier()
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.mark.skipif(os.name != "posix", reason="stops a process by a signal")
def test_a_replica_that_stands_still_is_told_in_one_line():
    """By whatever gloo raises: first that nothing came in time, and then each time that it has closed the pair."""
    first = f"localhost:{free_port()}"
    other = subprocess.Popen([sys.executable, "-c", STANDS_STILL, first])
    replicas = join(Environment(0, 2, 0, first, timeout=3))
    try:
        replicas.barrier()
        for _ in range(2):
            with pytest.raises(
                PeerLostError, match="another replica has gone, or does not answer: "
            ) as refusal:
                replicas.sum({"a": np.ones(1 << 20)})
            assert len(str(refusal.value).splitlines()) == 1
    finally:
        other.kill()
        other.wait()
        replicas.leave()
