"""Replicas on `tf.distribute`: its collective operations and nothing else of it, for each holds a whole model."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.python.distribute.collective_all_reduce_strategy import CollectiveAllReduceExtended
from tensorflow.python.eager import context

from zoo_common.backend import Array
from zoo_common.quiet import quiet
from zoo_common.replicas import Environment, PeerLostError, addresses
from zoo_spec.errors import EnvironmentFault
from zoo_tf.device import choose_device

PACK = 4 << 20
"""Bytes that are summed at once: what is ready leaves early, and no second copy of all gradients is made."""
PARTING = 10.0
"""Seconds that one which is done waits for the others to have taken what it gave."""
WORD = 8
"""Bytes of the numbers as which bytes are sent."""


class TensorFlowReplicas:
    """This process among the others of a `MultiWorkerMirroredStrategy`."""

    def __init__(self, strategy: tf.distribute.Strategy, environment: Environment) -> None:
        self.strategy = strategy
        self.rank = environment.rank
        self.size = environment.size
        self._timeout = environment.timeout
        self._has_left = False

    def add(self, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The sums over all replicas, in the order given; within a compiled function or without.

        All of them give the same shapes and dtypes. Of a compiled function they leave as they are ready, but in one
        order on all replicas.
        """
        return self._add(values, self._timeout)

    def _add(self, values: Sequence[tf.Tensor], timeout: float) -> list[tf.Tensor]:
        options = tf.distribute.experimental.CommunicationOptions(
            bytes_per_pack=PACK, timeout_seconds=timeout
        )

        @tf.autograph.experimental.do_not_convert
        def reduced(*own: tf.Tensor) -> list[tf.Tensor]:
            # It takes no tensor for one of a replica's that was not made in its own function.
            same = [tf.identity(value) for value in own]
            replica = tf.distribute.get_replica_context()
            return list(replica.all_reduce(tf.distribute.ReduceOp.SUM, same, options=options))

        found = list(values)
        for dtype in dict.fromkeys(value.dtype for value in values):
            places = [place for place, value in enumerate(values) if value.dtype == dtype]
            sums = self.strategy.run(reduced, args=tuple(values[place] for place in places))
            for place, total in zip(places, sums, strict=True):
                found[place] = tf.ensure_shape(total, values[place].shape)
        return found

    def sum(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """The sums over all replicas, by name, on every one: the same bits."""
        with talking():
            sums = self.add([tf.constant(value) for value in values.values()])
        return {name: total.numpy() for name, total in zip(values, sums, strict=True)}

    def gather(self, item: bytes) -> list[bytes]:
        """What each replica gave, by rank, on every one."""
        sizes = self._placed(np.array([len(item)], np.int64))[:, 0]
        padded = np.zeros(-(-max(sizes) // WORD), np.int64)
        padded.view(np.uint8)[: len(item)] = np.frombuffer(item, np.uint8)
        found = self._placed(padded)
        return [row.tobytes()[:size] for row, size in zip(found, sizes, strict=True)]

    def _placed(self, own: Array, timeout: float | None = None) -> Array:
        """``[replicas, values]``, each one's in its own row: a sum where all others have zeros."""
        mine = np.zeros((self.size, *own.shape), own.dtype)
        mine[self.rank] = own
        with talking():
            return self._add([tf.constant(mine)], timeout or self._timeout)[0].numpy()

    def barrier(self) -> None:
        """Return when all have come here."""
        self._placed(np.zeros(1, np.int64))

    def leave(self) -> None:
        """Have no more to do with the others.

        They fetch what this one gave, so it waits for them; one that finds them gone knows that all were done.
        """
        if not self._has_left:
            self._has_left = True
            with contextlib.suppress(PeerLostError):
                self._placed(np.zeros(1, np.int64), min(PARTING, self._timeout))


_joined: dict[tuple[tuple[str, ...], int], tf.distribute.Strategy] = {}
"""What this process has joined: TensorFlow's server is there until the process ends."""


def join(environment: Environment) -> TensorFlowReplicas:
    """Meet the others, and take this replica's own GPU where there are some.

    Raises PeerLostError where one does not come in time, EnvironmentFault where its own address is taken, or
    TensorFlow has computed before.
    """
    workers = addresses(environment)
    known = (workers, environment.rank)
    if known not in _joined:
        _joined[known] = _strategy(environment, workers)
    replicas = TensorFlowReplicas(_joined[known], environment)
    replicas.barrier()
    return replicas


def _strategy(environment: Environment, workers: tuple[str, ...]) -> tf.distribute.Strategy:
    tf.get_logger().setLevel(logging.ERROR)
    # Its heartbeats would end a process whose peer is slow, and its hold on SIGTERM one that is asked to save.
    context.context().configure_coordination_service(service_type="")
    CollectiveAllReduceExtended._enable_check_health = False
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(workers)}),
        task_type="worker",
        task_id=environment.rank,
        rpc_layer="grpc",
        num_accelerators={"GPU": _take_gpu(environment.local_rank)},
    )
    try:
        with quiet():
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except tf.errors.UnknownError as error:
        raise EnvironmentFault(
            f"replica {environment.rank} cannot listen at {workers[environment.rank]}, for the port is in use; give "
            "another"
        ) from error
    except RuntimeError as error:
        raise EnvironmentFault(
            f"TensorFlow has computed in this process already, and can no longer meet replicas: {error}"
        ) from error


def _take_gpu(local_rank: int) -> int:
    """Have TensorFlow see this replica's own GPU alone; how many it then sees.

    A scheduler may show each replica of a machine no other's: then it is the first, whatever the rank.
    """
    choose_device("auto")
    gpus = tf.config.list_physical_devices("GPU")
    own = gpus[local_rank : local_rank + 1] or gpus[:1]
    tf.config.set_visible_devices(own, "GPU")
    return len(own)


@contextlib.contextmanager
def talking() -> Iterator[None]:
    """Raise PeerLostError for what TensorFlow raises where another process has gone, or does not answer in time."""
    try:
        yield
    except tf.errors.OpError as error:
        gone = (tf.errors.UnavailableError, tf.errors.DeadlineExceededError, tf.errors.AbortedError)
        if not isinstance(error, gone) and "ollective" not in str(error):
            raise
        said = re.search(r"Collective [a-z ]+", str(error))
        what = said[0] if said else type(error).__name__
        raise PeerLostError(f"another replica has gone, or does not answer: {what}") from error
