"""Every limit that parity judges by, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass

FLOAT64_OUTPUTS = 1e-10
"""Of a tensor's largest magnitude. Rounding alone leaves some 1e-15; a constant that passed through float32
leaves 5e-9, the smallest real defect seen (a GELU of the wrong form) 1e-3."""

GRADIENT_SCALE = 1e-3
"""A gradient is judged on the larger of its own largest value and this part of the model's largest: some are
zero but for rounding (a key's bias; a bias in front of a batch norm)."""

VANISHING = 1e-12
"""Of the model's largest gradient: a gradient that is zero but for rounding stays below it in both frameworks."""

WITHOUT_INFLUENCE = (".key.bias", "span.dense.bias")
"""Parameters that no gradient depends on: a key's bias adds the same to all scores of a row, and a span head's to
all positions of a row, which softmax ignores. Every other parameter must move something."""

SMALLEST_SCALE = 1e-3
"""Outputs whose largest magnitude is below it would agree whatever the frameworks compute."""


@dataclass(frozen=True)
class Rounding:
    """How results of a dtype are held against float64.

    What rounding explains is measured: how far the float64 results move when every weight is changed by one
    ``roundoff``, up or down at random, the furthest of ``nudges`` such changes, and of up to ``most_nudges`` while
    the errors are above what fewer explain. ``multiple``: how many times that each framework's error may be.
    ``ratio``: how many times one framework's error may be the other's, where it is above what is explained.
    ``each_tensor``: whether each tensor is judged by what is explained for itself, at least one roundoff; otherwise
    all are by the worst of them, at least roundoff times the root of the number of products.
    """

    roundoff: float
    nudges: int
    most_nudges: int
    multiple: float
    ratio: float
    each_tensor: bool


ROUNDING = {
    "float32": Rounding(2.0**-24, nudges=1, most_nudges=8, multiple=16.0, ratio=8.0, each_tensor=False),
    "bfloat16": Rounding(2.0**-8, nudges=8, most_nudges=32, multiple=4.0, ratio=3.0, each_tensor=True),
}
"""Float32: seen 0.2 to 6.8 times what is explained; a defect of a millionth of a tensor's size shows.

bfloat16 rounds weights and what flows between blocks, each by at most a roundoff and by 0.4 of one on average, so
changing every weight by a whole one explains it well: seen 0.3 to 1.4 times, over three draws of probes. But its
roundoff is 0.4 %, and results differ by 0.5 to 2 % in outputs and 3 to 15 % in gradients at the probes' depth (a
relu that rounding turns on or off moves a gradient by all of itself, in the nudges too). So only what moves a
result by several times that shows in bfloat16: a bias dropped, a kernel transposed, a layer skipped, a mask
ignored, a wrong scale. A GELU of the other form, an epsilon, a constant in float32 or a loss smoothed by a
thousandth do not, in any comparison by size; float64 and float32, which run on the same blocks first, see those. What
is to stay in float32 meanwhile is judged value by value (``rounded_once``).
"""

FLOAT32_INSIDE = 2.0**-19
"""Of a block's largest value: what float32 leaves on the way to a result that is rounded once. Losses: 0.05 of it."""

STEP = 1e-12
"""Of a tensor's largest magnitude, after optimizer steps in float64 with the same gradients. Seen: 4e-16."""

TRAINED = 1e-9
"""Of a tensor's largest magnitude, after a few training steps in float64, where a report looks for what parts."""

DEVIATIONS = 6.0
"""By how many standard deviations of a binomial the number of dropped elements may be off, either way. Chance alone
leaves it beyond that once in 500 million places; half the rate, or twice, is 14 off and more."""

DROPOUT_SCALE = 1e-9
"""Of 1 / (1 - rate), by which what stays is multiplied, in float64. Rounding leaves 4e-16, or, where a fused
attention computes the weights that it drops another way than without dropout, some 1e-14."""

STATE_NUDGES = 8
"""Up to how many changes of the first weights by an ulp are tried before training is said to differ."""

STATE_MULTIPLE = 50.0
"""How many times what such a change moves a tensor the frameworks may be apart, where that is more than STEP."""

CURVE_PERTURBATION = 1e-7
"""Relative change of the weights that the floor of a training curve is measured with, about one float32 ulp."""

CURVE_MULTIPLE = 20.0
"""How many times the floor the gap between two curves may be. A wrong optimizer constant stands 250 to 2,000
times above it at steps 20 to 50."""

CURVE_ULPS = 1.0
"""The floor is at least this many float32 ulps of the loss: a sum in another order. Over 20 steps of 18 healthy runs
(BERT, GPT-2, T5, ViT, UNet, perceptrons; two to four seeds) two frameworks were apart by 0.7 to 2.1 times the floor
of two changes, which but for a UNet's was 0.8 to 2 ulps."""


@dataclass(frozen=True)
class Curve:
    """How two training curves are compared: the gap may be ``multiple`` times a floor.

    The floor is how far a framework gets from itself when its initial weights are changed by ``perturbation``,
    relative: the furthest of up to ``nudges`` such runs, in the framework where that is less, and at least
    ``least`` of the loss.
    """

    perturbation: float
    nudges: int
    multiple: float
    least: float


CURVES = {
    "float32": Curve(CURVE_PERTURBATION, nudges=8, multiple=CURVE_MULTIPLE, least=CURVE_ULPS * 2.0**-23),
    "bfloat16": Curve(2.0**-10, nudges=3, multiple=4.0, least=2.0**-12),
}
"""Float32: one change is not enough where rounding decides on which side of zero a relu's input falls. In a small
UNet with batch norm (seed 0, 20 steps) one that did moved the loss by 3e-7 at once and by 1e-5 some steps later:
in 5 of 10 changes by 1e-7 of either framework, in 2 of 5 by half of that in float64, and in one framework's own
run; the other changes moved it by 4e-6 at the most. Eight miss it in one of 128 curves, and are drawn only where
fewer do not explain the gap.

bfloat16: a change that small moves some weights to the next bfloat16, and the curve by 0.5 to 1 times what parts
two frameworks, which round the same weights alike and what follows from them not. The least is what rounding
leaves of a loss over a few hundred classes: seen 0.6 to 2.7e-4. That is enough to see parameters or an optimizer
kept in bfloat16, whose small updates are lost, and too little for an optimizer's constant that is off by a per
cent: the curve in float32 sees that, over the same optimizer."""

CHECKPOINT = 1e-12
"""Of the loss: how far a run that was continued in the other framework may be from the one that was not
interrupted, in float64."""
