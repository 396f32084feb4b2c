"""Several processes that train one model together, each a replica of it on a device of its own."""

from zoo_common.replicas.agreeing import PeerFailedError, ToldError, all_do, first_alone, same
from zoo_common.replicas.base import ALONE, PeerLostError, Replicas, gathered, least, told
from zoo_common.replicas.environment import Environment
from zoo_common.replicas.meeting import addresses
from zoo_common.replicas.share import MicroBatch, meets, numbered, share, share_each

__all__ = [
    "ALONE",
    "Environment",
    "MicroBatch",
    "PeerFailedError",
    "PeerLostError",
    "Replicas",
    "ToldError",
    "addresses",
    "all_do",
    "first_alone",
    "gathered",
    "least",
    "meets",
    "numbered",
    "same",
    "share",
    "share_each",
    "told",
]
