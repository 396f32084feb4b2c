"""By what a batch is known again: whether the data, and whatever makes batches of them, are still what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from zoo_common.data.base import Array


def batch_mark(batch: Mapping[str, Array]) -> str:
    """The SHA-256 of its integers, and of the names, dtypes and shapes of all.

    Of other numbers it has no more than that: pixels and samples that were resized or filtered differ in the last
    bit between processors and versions of libraries.
    """
    digest = hashlib.sha256()
    for name, value in sorted(batch.items()):
        digest.update(f"{name} {value.dtype.str} {value.shape};".encode())
        if np.issubdtype(value.dtype, np.integer):
            digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
