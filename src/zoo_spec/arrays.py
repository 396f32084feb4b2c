"""Arrays as users hand them over: NumPy's own, or a framework's tensors, some of which NumPy cannot read."""

from __future__ import annotations

from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zoo_spec.errors import InputError

Array: TypeAlias = NDArray[np.generic]


@runtime_checkable
class Tensor(Protocol):
    """What torch's tensors and parameters can do, wherever they are and whatever follows their gradients."""

    dtype: object

    def detach(self) -> Tensor:
        """The values alone."""

    def cpu(self) -> Tensor:
        """In the main memory."""

    def float(self) -> Tensor:
        """In float32."""

    def numpy(self) -> Array:
        """As an array; TypeError for a dtype that NumPy lacks."""


def as_array(name: str, value: object) -> Array:
    """The values as a NumPy array of the machine's own byte order, without a copy where none is needed.

    A float that NumPy lacks (bfloat16, the eight-bit ones) comes as float32, which holds each of its values.
    Raises InputError, with the name, for what has no values (a meta tensor) or is no array of numbers.
    """
    try:
        array = _of_tensor(value) if isinstance(value, Tensor) else np.asarray(value)
        if array.dtype.kind == "V" and not array.dtype.fields:  # TensorFlow's and JAX' own floats.
            array = array.astype(np.float32)
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{name}: a {type(value).__name__} of {dtype_name(value)} gives no array: {reason}"
        ) from None
    if array.dtype.kind not in "?biufc":
        raise InputError(f"{name}: a {type(value).__name__} of {array.dtype} is no array of numbers")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def dtype_name(value: object) -> str:
    """What a framework or NumPy calls the dtype of a value: ``bfloat16``, ``float32``, ..."""
    dtype = getattr(value, "dtype", type(value).__name__)
    return str(getattr(dtype, "name", dtype)).rpartition(".")[
        2
    ]  # One framework writes its own name before it.


def rounded(array: Array, dtype: str) -> Array:
    """The array's values as a dtype of this name holds them; those of bfloat16 come as float32."""
    if dtype != "bfloat16":
        return array.astype(dtype)
    bits = np.asarray(array, np.float32).view(np.uint32)
    is_odd = (bits >> np.uint32(16)) & np.uint32(1)
    return ((bits + np.uint32(0x7FFF) + is_odd) & np.uint32(0xFFFF0000)).view(np.float32)


def _of_tensor(tensor: Tensor) -> Array:
    plain = tensor.detach().cpu()
    try:
        return plain.numpy()
    except TypeError:
        return plain.float().numpy()
