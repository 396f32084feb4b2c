"""Steps and tokens a second, and waiting for files, as they are now: over the last steps, not since the start."""

from __future__ import annotations

from collections import deque

_STEPS = 20


class RecentRates:
    """Rates over the last steps. The first one, in which a framework traces, counts until there is another."""

    def __init__(self, start: int, now: float) -> None:
        """``start`` steps are done by the time ``now``, in seconds of any clock."""
        self._marks: deque[tuple[int, float, int, float]] = deque([(start, now, 0, 0.0)], maxlen=_STEPS + 1)
        self._is_new = True
        self._has_files = False

    def add(self, number: int, now: float, tokens: int, waited: float | None = None) -> None:
        """Step ``number`` is done, of so many tokens; ``waited`` are its seconds for files, where it has any."""
        self._has_files = self._has_files or waited is not None
        _, _, tokens_before, waited_before = self._marks[-1]
        self._marks.append((number, now, tokens_before + tokens, waited_before + (waited or 0.0)))
        if self._is_new and len(self._marks) == 3:
            self._marks.popleft()
            self._is_new = False

    def __str__(self) -> str:
        """``3.21 steps/s  411 tokens/s``; of slow ones ``2.50 s/step  waits 0.31 s/step for files``."""
        (first, began, before, waited), (last, ended, after, waits) = self._marks[0], self._marks[-1]
        if last == first:
            return ""
        seconds, steps, tokens = max(ended - began, 1e-9), last - first, after - before
        parts = [f"{steps / seconds:.2f} steps/s" if steps >= seconds else f"{seconds / steps:.2f} s/step"]
        if self._has_files:
            parts.append(f"waits {(waits - waited) / steps:.2f} s/step for files")
        if tokens:
            parts.append(f"{tokens / seconds:,.0f} tokens/s")
        return "  ".join(parts)
