"""Steps and tokens a second as they are now: over the last steps, not since the start."""

from __future__ import annotations

from collections import deque

_STEPS = 20


class RecentRates:
    """Rates over the last steps. The first one, in which a framework traces, counts until there is another."""

    def __init__(self, start: int, now: float) -> None:
        """``start`` steps are done by the time ``now``, in seconds of any clock."""
        self._marks: deque[tuple[int, float, int]] = deque([(start, now, 0)], maxlen=_STEPS + 1)
        self._is_new = True

    def add(self, number: int, now: float, tokens: int) -> None:
        """Step ``number`` is done, of so many tokens."""
        self._marks.append((number, now, self._marks[-1][2] + tokens))
        if self._is_new and len(self._marks) == 3:
            self._marks.popleft()
            self._is_new = False

    def __str__(self) -> str:
        """``3.21 steps/s  411 tokens/s``; of slow ones ``2.50 s/step``."""
        (first, began, before), (last, ended, after) = self._marks[0], self._marks[-1]
        if last == first:
            return ""
        seconds, steps, tokens = max(ended - began, 1e-9), last - first, after - before
        rate = f"{steps / seconds:.2f} steps/s" if steps >= seconds else f"{seconds / steps:.2f} s/step"
        return f"{rate}  {tokens / seconds:,.0f} tokens/s" if tokens else rate
