"""Every limit that parity judges by, each with its reason."""

from __future__ import annotations

FLOAT64_OUTPUTS = 1e-10
"""Of a tensor's largest magnitude. Rounding alone leaves some 1e-15; a constant that passed through float32
leaves 5e-9, the smallest real defect seen (a GELU of the wrong form) 1e-3."""

GRADIENT_SCALE = 1e-3
"""A gradient is judged on the larger of its own largest value and this part of the model's largest: some are
zero but for rounding (a key's bias; a bias in front of a batch norm)."""

VANISHING = 1e-12
"""Of the model's largest gradient: a gradient that is zero but for rounding stays below it in both frameworks."""

WITHOUT_INFLUENCE = (".key.bias",)
"""Parameters that no output and no gradient depends on: a key's bias adds the same to all scores of a row, which
softmax ignores. Every other parameter must move something."""

SMALLEST_SCALE = 1e-3
"""Outputs whose largest magnitude is below it would agree whatever the frameworks compute."""

UNIT_ROUNDOFF = {"float32": 2.0**-24}
"""Relative error of one rounding."""

ROUNDING_MULTIPLE = 16.0
"""How many times the error that rounding explains each framework may be from float64. What it explains is
measured: the float64 outputs' answer to weights changed by one unit roundoff, at least unit roundoff times the
root of the number of products. Seen: 0.5 to 3."""

ERROR_RATIO = 8.0
"""How many times one framework's error may be the other's, where it is above what one rounding explains."""

STEP = 1e-12
"""Of a tensor's largest magnitude, after optimizer steps in float64 with the same gradients. Seen: 4e-16."""

CURVE_PERTURBATION = 1e-7
"""Relative change of the weights that the floor of a training curve is measured with, about one float32 ulp."""

CURVE_MULTIPLE = 20.0
"""How many times the floor the gap between two curves may be. A wrong optimizer constant stands 250 to 2,000
times above it at steps 20 to 50."""

CURVE_ULPS = 8.0
"""The floor is at least this many float32 ulps of the loss: a sum over tokens in another order."""

CHECKPOINT = 1e-12
"""Of the loss: how far a run that was continued in the other framework may be from the one that was not
interrupted, in float64."""
