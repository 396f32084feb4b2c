"""A data set whose batches are put together as its spec's ``data.batching`` says."""

from __future__ import annotations

from functools import singledispatch

from zoo_common.data.base import Dataset
from zoo_common.data.reader import Wanted
from zoo_spec.data import Batching, Padded
from zoo_spec.errors import EnvironmentFault


@singledispatch
def batched(batching: Batching, examples: Dataset, wanted: Wanted) -> Dataset:
    """The same examples in other batches; InputError for examples that cannot be put together so.

    Raises EnvironmentFault for a kind that nobody has registered.
    """
    raise EnvironmentFault(
        f"nothing puts batches together of kind {batching.kind!r}: whoever brings it registers that with "
        "zoo_common.data.batching.batched"
    )


@batched.register
def _padded(batching: Padded, examples: Dataset, wanted: Wanted) -> Dataset:
    return examples
