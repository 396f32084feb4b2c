"""How much span corruption cuts out of a text, and how long what it makes is (Raffel et al., 2020, 3.1.4)."""

from __future__ import annotations

from dataclasses import dataclass

from zoo_spec.errors import InputError


@dataclass(frozen=True)
class SpanSettings:
    """How much is cut out; fields as in ``zoo_spec.data.TextData``."""

    sequence_length: int
    masked_fraction: float
    mean_span_length: float

    def noise(self, tokens: int) -> tuple[int, int]:
        """How many of so many tokens are cut out, and in how many spans; at least one stays before each span."""
        noise = min(max(round(tokens * self.masked_fraction), 1), tokens - 1)
        spans = max(round(noise / self.mean_span_length), 1)
        return noise, min(spans, noise, tokens - noise)

    def lengths(self, tokens: int) -> tuple[int, int]:
        """Of the input and the target that so many tokens become, each with its end."""
        noise, spans = self.noise(tokens)
        return tokens - noise + spans + 1, noise + spans + 1

    @property
    def tokens(self) -> int:
        """The most tokens whose input is no longer than ``sequence_length``.

        Raises InputError where two tokens are too many.
        """
        found = 2
        if self.lengths(found)[0] > self.sequence_length:
            raise InputError(
                f"data.sequence_length {self.sequence_length} has no room for a token, a sentinel and the end; set "
                f"it to {self.lengths(found)[0]} or more"
            )
        while self.lengths(found + 1)[0] <= self.sequence_length:
            found += 1
        return found

    @property
    def target_length(self) -> int:
        """Length of every target, padding included."""
        return self.lengths(self.tokens)[1]

    @property
    def sentinels(self) -> int:
        """Number of sentinels: the most spans of an example."""
        return self.noise(self.tokens)[1]
