"""Replicas meet at a port: what else may listen there is told in one line."""

import socket
from threading import Thread

import pytest

from zoo_common.replicas import Environment, PeerLostError
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
