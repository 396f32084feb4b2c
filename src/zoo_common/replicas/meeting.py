"""How replicas that know where the first of them is met learn where each other one is."""

from __future__ import annotations

import json
import socket
import time
from ipaddress import ip_address

from pydantic import BaseModel, ValidationError

from zoo_common.replicas.base import PeerLostError
from zoo_common.replicas.environment import Environment
from zoo_spec.errors import EnvironmentFault

_MOST_BYTES = 1 << 20
_PAUSE = 0.1


class _Hello(BaseModel):
    rank: int
    port: int


def addresses(environment: Environment) -> tuple[str, ...]:
    """Where each replica listens, host:port by rank: what the environment says, or else what they tell the first.

    Raises PeerLostError where one does not come in time, EnvironmentFault where the first's port is in use.
    """
    if environment.workers:
        return environment.workers
    host, port = environment.first.rsplit(":", 1)
    ends = time.monotonic() + environment.timeout
    if environment.rank == 0:
        return _receive(environment, host, int(port), ends)
    return _introduce(environment, host, int(port), ends)


def _receive(environment: Environment, host: str, port: int, ends: float) -> tuple[str, ...]:
    found = {0: f"{host}:{free_port()}"}
    callers: list[socket.socket] = []
    try:
        server = socket.create_server(("", port))
    except OSError as error:
        raise EnvironmentFault(
            f"the replicas cannot meet at {environment.first}: {error.strerror}; give another port"
        ) from error
    with server:
        try:
            while len(found) < environment.size:
                server.settimeout(max(ends - time.monotonic(), 0.001))
                try:
                    caller, (address, *_) = server.accept()
                    caller.settimeout(max(ends - time.monotonic(), 0.001))
                    hello = _Hello.model_validate_json(_line(caller))
                except TimeoutError as error:
                    lacking = ", ".join(str(rank) for rank in range(environment.size) if rank not in found)
                    raise PeerLostError(
                        f"replica {lacking} did not come to {environment.first} within {environment.timeout:g} s"
                    ) from error
                except (OSError, ValidationError):
                    continue  # Somebody else.
                callers.append(caller)
                # One on this machine is reached by others as the first is.
                reached = host if ip_address(address).is_loopback else address
                found[hello.rank] = f"{reached}:{hello.port}"
            listed = [found[rank] for rank in sorted(found)]
            for caller in callers:
                caller.sendall(json.dumps(listed).encode() + b"\n")
        finally:
            for caller in callers:
                caller.close()
    return tuple(listed)


def _introduce(environment: Environment, host: str, port: int, ends: float) -> tuple[str, ...]:
    hello = _Hello(rank=environment.rank, port=free_port())
    while True:
        left = ends - time.monotonic()
        try:
            with socket.create_connection((host, port), timeout=max(left, 0.001)) as first:
                first.sendall(hello.model_dump_json().encode() + b"\n")
                return tuple(json.loads(_line(first)))
        except (OSError, ValueError) as error:
            if left < _PAUSE:
                raise PeerLostError(
                    f"replica {environment.rank} met nobody at {environment.first} within "
                    f"{environment.timeout:g} s: {error}"
                ) from error
        time.sleep(_PAUSE)  # The first may not have come yet.


def _line(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as lines:
        return lines.readline(_MOST_BYTES)


def free_port() -> int:
    """A port of this machine that nothing listens at."""
    with socket.create_server(("", 0)) as server:
        port: int = server.getsockname()[1]
    return port
