"""How replicas that know where the first of them is met learn where each other one is."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Collection
from ipaddress import ip_address

from pydantic import BaseModel, ValidationError

from zoo_common.replicas.agreeing import ToldError
from zoo_common.replicas.base import PeerLostError
from zoo_common.replicas.environment import Environment
from zoo_spec.errors import EnvironmentFault, InputError

_MOST_BYTES = 1 << 20
_PAUSE = 0.1


class _Hello(BaseModel):
    rank: int
    size: int
    port: int


def addresses(environment: Environment) -> tuple[str, ...]:
    """Where each replica listens, host:port by rank: what the environment says, or else what they tell the first.

    Raises PeerLostError where one does not come in time, EnvironmentFault where the first's port is in use; where
    one is of another number of replicas, InputError on the first, ToldError on it.
    """
    if environment.workers:
        return environment.workers
    host, port = environment.first.rsplit(":", 1)
    ends = time.monotonic() + environment.timeout
    if environment.rank == 0:
        return _receive(environment, host, int(port), ends)
    return _introduce(environment, host, int(port), ends)


def require_size(environment: Environment, rank: int, size: int) -> None:
    """Raise InputError on replica 0, ToldError on others, unless this one and ``rank`` are of as many replicas."""
    if size == environment.size:
        return
    each = sorted({rank: size, environment.rank: environment.size}.items())
    said = "\n".join(f"  replica {rank}: {size}" for rank, size in each)
    message = (
        f"the replicas disagree on how many there are (WORLD_SIZE); start all of them with the same:\n{said}"
    )
    raise ToldError(message, InputError.exit_status) if environment.rank else InputError(message)


def lacking(environment: Environment, found: Collection[int]) -> PeerLostError:
    """That not all replicas came to the first one in time."""
    ranks = ", ".join(str(rank) for rank in range(environment.size) if rank not in found)
    return PeerLostError(
        f"replica {ranks} did not come to {environment.first} within {environment.timeout:g} s"
    )


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
                    raise lacking(environment, found) from error
                except (OSError, ValidationError):
                    continue  # Somebody else.
                callers.append(caller)
                if hello.size != environment.size:
                    for each in callers:
                        each.sendall(json.dumps(environment.size).encode() + b"\n")
                require_size(environment, hello.rank, hello.size)
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
    hello = _Hello(rank=environment.rank, size=environment.size, port=free_port())
    while True:
        left = ends - time.monotonic()
        try:
            with socket.create_connection((host, port), timeout=max(left, 0.001)) as first:
                first.sendall(hello.model_dump_json().encode() + b"\n")
                said = json.loads(_line(first))
                break
        except (OSError, ValueError) as error:
            if left < _PAUSE:
                raise PeerLostError(
                    f"replica {environment.rank} met nobody at {environment.first} within "
                    f"{environment.timeout:g} s: {error}"
                ) from error
        time.sleep(_PAUSE)  # The first may not have come yet.
    if isinstance(said, int):  # The number of replicas that the first knows of: not all say the same.
        require_size(environment, 0, said)
        raise ToldError("other replicas disagree on how many there are", InputError.exit_status)
    return tuple(said)


def _line(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as lines:
        return lines.readline(_MOST_BYTES)


def free_port() -> int:
    """A port of this machine that nothing listens at."""
    with socket.create_server(("", 0)) as server:
        port: int = server.getsockname()[1]
    return port
