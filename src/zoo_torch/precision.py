"""Computing in half width: parameters stay in float32, and products take them rounded to their input's dtype.

Only half-width input narrows a parameter. Any other mixture of dtypes is the caller's mistake, and torch says so.
Where a user narrows a whole model (``model.bfloat16()``), what is kept in float32 here stays so: norms and tables.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

HALF = (torch.bfloat16, torch.float16)
Applied = Callable[[Tensor], Tensor]
"""What ``nn.Module`` does to each of its tensors for ``to``, ``half``, ``cuda``, ``to_empty`` and the like."""


def narrowed(parameter: Tensor, x: Tensor) -> Tensor:
    """The parameter as a product with ``x`` takes it: rounded to half width where ``x`` is that."""
    return parameter.to(x.dtype) if x.dtype in HALF else parameter


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in float32, or as it is if it is that wide already."""
    return x.float() if x.dtype in HALF else x


def without_autocast() -> contextlib.AbstractContextManager[object]:
    """Keep a user's autocast on the CPU from computing in half width what must not be."""
    if torch.is_autocast_enabled("cpu"):
        return torch.autocast("cpu", enabled=False)
    return contextlib.nullcontext()


def keeping_width(applied: Applied) -> Applied:
    """The same, but for the rounding of float32 or wider to half width."""

    def kept(tensor: Tensor) -> Tensor:
        found = applied(tensor)
        narrows = found.dtype in HALF and tensor.dtype not in HALF
        return tensor.to(found.device) if narrows else found

    return kept


def dtype_asked_for(applied: Applied) -> torch.dtype | None:
    """The dtype that floats of any dtype are brought to; None if each keeps its own."""
    found = {
        applied(torch.zeros((), dtype=dtype, device="cpu")).dtype for dtype in (torch.bfloat16, torch.float64)
    }
    return found.pop() if len(found) == 1 else None


class Tabled(nn.Module):
    """A block with tables of constants, which are no weights: exact in every dtype, and never without values."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, np.ndarray] = {}

    def register_table(self, name: str, values: np.ndarray) -> None:
        """A buffer of these values that stands in no ``state_dict``.

        From NumPy, so that it is there on a model that is built without memory.
        """
        self._values[name] = np.array(values)
        self.register_buffer(name, torch.from_numpy(self._values[name]), persistent=False)

    def _apply(self, applied: Applied, recurse: bool = True) -> Tabled:
        before = {name: getattr(self, name) for name in self._values}
        super()._apply(applied, recurse)
        for name, values in self._values.items():
            now = getattr(self, name)
            if now is not before[name]:
                # Anew, for one that was emptied has no values, and one that was rounded lacks digits.
                dtype = before[name].dtype if now.dtype in HALF else now.dtype
                setattr(self, name, torch.from_numpy(values).to(now.device, dtype))
        return self
