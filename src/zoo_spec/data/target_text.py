"""What all data of texts with other texts to be made of them says: how long these are, and what goes before."""

from __future__ import annotations

from typing import Literal

from zoo_spec.base import PositiveInt
from zoo_spec.data.tokenized import TokenizedData


class TargetTextData(TokenizedData):
    """Base of the specs of data that have a text to be made of each text.

    For a model of two sequences ``sequence_length`` is that of the source. For a causal model it is that of the
    whole example: the text, a separator, the target and its end.
    """

    prefix: str = ""
    """What is put in front of every source, such as ``"translate English to German: "``: a model can tell by it what
    is to be done (Raffel et al., 2020, 2.4)."""
    target_length: PositiveInt | None = None
    """Tokens of a target, its end included. Without it as many as ``sequence_length``; in a causal model's examples
    half of that."""
    too_long: Literal["cut", "skip"] = "cut"
    """What becomes of a pair with more tokens. ``cut``: each text loses its end; a causal model's target is cut to
    ``target_length``, and its text to what is left. ``skip``: the pair is left out. How many there were is logged."""

    @property
    def most_target(self) -> int:
        """Tokens of a target in a model of two sequences."""
        return self.target_length or self.sequence_length
