"""A user's arrays as what they are, whoever made them: either framework is handed NumPy's plain ones."""

from __future__ import annotations

import numpy as np

from zoo_common.backend import Array
from zoo_spec.arrays import as_array
from zoo_spec.errors import InputError


def read_array(name: str, value: object) -> Array:
    """The value of an input as an array: contiguous, in this machine's byte order, and free to be written to.

    Arrays of NumPy (memory-mapped, read-only, backwards, of objects), tensors of either framework on any device,
    lists and columns of tables. Raises InputError, naming the input, for what is none, and for masked values.
    """
    what = f"a batch's {name}"
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(f"{what} has values that are masked out; fill them in, and give them the weight 0")
    if str(getattr(value, "dtype", "")) == "object":
        value = np.asarray(value).tolist()
    array = as_array(what, value)
    if array.dtype == np.longdouble:  # Neither framework has it.
        array = array.astype(np.float64)
    array = np.ascontiguousarray(array).reshape(array.shape)
    return array if array.flags.writeable else array.copy()
