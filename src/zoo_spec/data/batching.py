"""How examples of different lengths are put together in batches."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from zoo_spec.base import PositiveInt
from zoo_spec.registry import Registered


class Batching(Registered):
    """Base of the specs of batching. None changes what is learned of an example, only what it costs."""

    role: ClassVar[str] = "batching"
    shipped_in: ClassVar[str] = "zoo_spec.data.batching"
    varies: ClassVar[bool] = True
    """Whether batches have sizes of their own, which in evaluation are those of their longest examples."""

    @property
    def longest(self) -> int | None:
        """The size of the longest example that it takes; None for any."""
        return None

    @property
    def cuts(self) -> bool:
        """Whether longer examples are cut to that."""
        return False

    def rows(self, size: int, batch_size: int) -> int:
        """Rows of a batch whose examples are filled up to this size."""
        return batch_size


class Padded(Batching):
    """All examples are filled up to the longest that there may be: every batch has the same shape."""

    kind: Literal["padded"] = "padded"
    varies: ClassVar[bool] = False


class Bucketed(Batching):
    """Examples of similar length go together, filled up to the bound of their bucket: a shape a bucket.

    A bucket's batches go through its own examples, epoch after epoch, so that none is short.
    """

    kind: Literal["bucketed"] = "bucketed"
    bounds: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] | None = None
    """The longest example of each bucket, in tokens or samples, rising; null: as many as ``buckets``, chosen by the
    data's lengths such that the least is filled up."""
    buckets: PositiveInt = 8
    """How many buckets are chosen, where ``bounds`` does not say them."""
    tokens: PositiveInt | None = None
    """Tokens (or samples) of a batch, padding included, a bucket's batches having as many rows as fit; null: every
    batch has ``training.batch_size`` rows."""
    longer: Literal["refuse", "drop", "cut"] = "refuse"
    """What becomes of an example that is longer than the last bound, or than ``tokens``: an error, left out and
    counted, or cut as one beyond the data's own length is."""

    @model_validator(mode="after")
    def _rising(self) -> Bucketed:
        bounds = self.bounds or ()
        for lower, upper in pairwise(bounds):
            if upper <= lower:
                raise ValueError(
                    f"bounds rise, and {upper} stands behind {lower}; give them in order, each once"
                )
        if bounds and self.tokens is not None and self.tokens < bounds[-1]:
            raise ValueError(
                f"tokens {self.tokens} is less than one example of the bound {bounds[-1]}; raise it to that at "
                "least, or leave the bound out"
            )
        return self

    @property
    def longest(self) -> int | None:
        """The last bound, or what a batch has room for."""
        return self.tokens if self.bounds is None else self.bounds[-1]

    @property
    def cuts(self) -> bool:
        """Where ``longer`` says so."""
        return self.longer == "cut"

    def rows(self, size: int, batch_size: int) -> int:
        """As many as ``tokens`` has room for, where it is said."""
        return batch_size if self.tokens is None else self.tokens // size


class Packed(Batching):
    """Several examples stand in a row, told apart by ``example_ids`` and ``positions``.

    A batch has ``training.batch_size`` rows of the data's length. Which lengths stand together is decided from all
    lengths at once (Krell et al., 2021, *Efficient Sequence Packing without Cross-contamination*), which examples,
    anew in each epoch.
    """

    kind: Literal["packed"] = "packed"
    most_examples: PositiveInt | None = None
    """Examples of a row at most; null: as many as fit."""
