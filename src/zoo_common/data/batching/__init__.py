"""How examples become batches, for each kind of ``data.batching`` registered on its spec's class.

A plugin does so with its own, ``@batched.register``: a data set that has another ``batch``.
"""

from zoo_common.data.batching import bucketed, packed
from zoo_common.data.batching.batched import batched
from zoo_common.data.batching.bucketed import by_length

__all__ = ["batched", "bucketed", "by_length", "packed"]
