"""Which records are held out: a part of the asked size, drawn by the seed, and never held as a number each."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_common.data.held_out import HeldOut
from zoo_common.data.order import DRAWN_WHOLE
from zoo_spec.data import TextTable
from zoo_spec.random import Stream


def parts(count, fraction, seed=3):
    data = TextTable(files="a.tsv", text="t", label="l", evaluation_fraction=fraction, split_seed=seed)
    held = HeldOut(count, data)
    return tuple(list(held.of(split)) for split in ("train", "eval"))


@pytest.mark.parametrize("count", [1, 2, 3, 10, 257, 1000])
@pytest.mark.parametrize("fraction", [0.0, 1e-9, 0.1, 0.5, 0.75, 0.999])
def test_the_first_of_a_drawn_order_are_held_out_and_both_parts_rise(count, fraction):
    train, held = parts(count, fraction)
    wanted = min(max(round(count * fraction), 1), count - 1) if fraction else 0
    drawn = np.asarray(Stream(3, "held_out").permutation(count))
    assert held == sorted(drawn[:wanted].tolist())
    assert train == sorted(drawn[wanted:].tolist())


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_many_are_held_out_in_two_parts_that_share_none_by_a_number_each_of_the_smaller(fraction):
    count = 3 * DRAWN_WHOLE + 5
    data = TextTable(files="a.tsv", text="t", label="l", evaluation_fraction=fraction)
    train, held = (HeldOut(count, data).of(split) for split in ("train", "eval"))
    assert (len(train), len(held)) == (count - round(count * fraction), round(count * fraction))
    found = np.zeros(count, int)
    for part in (train, held):
        numbers = np.fromiter((part[place] for place in range(len(part))), np.int64)
        assert (np.diff(numbers) > 0).all()
        found[numbers] += 1
        assert part._before.nbytes <= 4 * round(count * 0.01) + 8
    assert (found == 1).all()
    for place in (-1, len(train)):
        with pytest.raises(IndexError, match="no place"):
            train[place]
