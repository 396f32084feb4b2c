"""Defects of one side that parity alone lets through, so that the drawn part leaves them out.

Whoever makes parity catch one takes it out; nothing is added.
"""

from __future__ import annotations

UNPROVEN = frozenset(
    {
        "a bias' gradient adds up in bfloat16 (tf)",
        "softmax in bfloat16 (tf)",
    }
)
"""By size both are rounding: what bfloat16 leaves of a sum over the few rows of a probe."""
