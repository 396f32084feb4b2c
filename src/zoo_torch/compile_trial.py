"""``training.compile: auto``: whether a program pays is found out by the first steps of a run."""

from __future__ import annotations

import statistics

WARM, TIMED = 3, 10
"""Steps that go before the first that is timed, and those that are timed."""
SAVED = 0.1
"""The least share of a step that a program is hoped to save, before it is there to be timed."""
START_UP = 60.0
"""Seconds that compiling takes, before it is known; BERT-base's and GPT-2's took about as many on a GPU's host."""


class Trial:
    """Ten steps are timed as they are, and where enough of a run is left, as many of a program; the faster stays."""

    def __init__(self, steps: int) -> None:
        """``steps`` are those of the whole run."""
        self.is_on = False
        """Whether the next step is a program's."""
        self.is_over = False
        self._steps = steps
        self._plain: list[float] = []
        self._compiled: list[float] = []

    def took(self, seconds: float, index: int, shapes: int) -> str:
        """Told of step ``index``, counted from 0, and of how many shapes batches had so far.

        Gives what there is to say once something is decided.
        """
        if self.is_on:
            self._compiled.append(seconds)
            return self._compared() if len(self._compiled) == WARM + TIMED else ""
        self._plain.append(seconds)
        if shapes > 1:
            self.is_over = True
            return "nothing is compiled: batches differ in shape, and each shape would be a program"
        return self._decided(self._steps - index - 1) if len(self._plain) == WARM + TIMED else ""

    def _decided(self, left: int) -> str:
        step = statistics.median(self._plain[WARM:])
        if SAVED * step * left >= START_UP:
            self.is_on = True
            return f"{left:,} steps of {1e3 * step:.1f} ms are left, which pay for a program"
        self.is_over = True
        return (
            f"nothing is compiled: the {left:,} steps of {1e3 * step:.1f} ms that are left do not pay for it"
        )

    def _compared(self) -> str:
        self.is_over = True
        plain, compiled = (statistics.median(each[WARM:]) for each in (self._plain, self._compiled))
        self.is_on = compiled < plain
        told = f"a step takes {1e3 * compiled:.1f} ms, and {1e3 * plain:.1f} ms where nothing is compiled"
        return told if self.is_on else f"{told}: it stays without"
