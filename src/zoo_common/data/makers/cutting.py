"""How many examples lost a part of their text, said now and then."""

from __future__ import annotations

from threading import Lock

import numpy as np

from zoo_common.log import LOG


class Cuts:
    """Counts different examples, from any thread; told at the first, the tenth, the hundredth, and so on."""

    def __init__(self, examples: int) -> None:
        self._lock = Lock()
        self._examples = examples
        self._was_cut = np.zeros(examples // 8 + 1, np.uint8)  # A bit each.
        self.count = 0
        """How many different examples were cut so far."""

    def note(self, index: int, said: str) -> None:
        """An example was cut; ``said`` is where it stands, what it has, and more than what that is."""
        with self._lock:
            place, bit = index >> 3, np.uint8(1 << (index & 7))
            if self._was_cut[place] & bit:
                return
            self._was_cut[place] |= bit
            self.count += 1
            count = self.count
        if str(count).strip("0") == "1":
            LOG.warning(f"{said}, and was cut; {count:,} of {self._examples:,} examples so far")
