"""The order of an epoch: every number once, anywhere at once, each order as likely as any other."""

import numpy as np
import pytest

from zoo_common.data import order as module
from zoo_common.data.order import DRAWN_WHOLE, order
from zoo_spec.random import Stream

LARGE = DRAWN_WHOLE + 1234


@pytest.fixture
def shifted(monkeypatch):
    """Small counts as large ones are ordered."""
    monkeypatch.setattr(module, "DRAWN_WHOLE", 0)
    order.cache_clear()
    yield
    order.cache_clear()


def whole(*path, count):
    return order(*path, count=count)[np.arange(count)]


def require_as_likely(counts):
    """Pearson's chi-square of equally likely cells lies within six deviations of its mean."""
    freedom, expected = counts.size - 1, counts.mean()
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_square - freedom) < 6 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("count", [1, 2, 999, DRAWN_WHOLE])
def test_small_data_keep_the_order_that_is_drawn_at_once(count):
    assert np.array_equal(whole(3, "order", 2, count=count), Stream(3, "order", 2).permutation(count))


def test_every_number_comes_once_for_counts_near_powers_of_two_and_squares(shifted):
    near = {base + more for power in range(13) for base in (2**power, power**2) for more in (-1, 0, 1)}
    for count in sorted(each for each in near if each > 0):
        assert np.array_equal(np.sort(whole(0, "order", count=count)), np.arange(count)), count


@pytest.mark.parametrize("count", [LARGE, 2**18 - 1, 2**18, 2**18 + 1])
def test_every_number_comes_once_of_many(count):
    assert np.array_equal(np.sort(whole(5, "order", 0, count=count)), np.arange(count))


def test_each_number_is_as_likely_at_each_place(shifted):
    count, orders = 100, 2000
    at = np.stack([whole(seed, "order", count=count) for seed in range(orders)])
    require_as_likely(np.stack([np.bincount(column, minlength=count) for column in at.T]))


def test_two_places_hold_each_pair_of_numbers_as_likely(shifted):
    count, orders = 30, 6000
    at = np.stack([whole(seed, "order", count=count) for seed in range(orders)])
    for first, second in [(0, 1), (0, 6), (7, 29), (12, 18)]:
        pairs = np.bincount(at[:, first] * count + at[:, second], minlength=count**2).reshape(count, count)
        require_as_likely(pairs[~np.eye(count, dtype=bool)])


@pytest.mark.parametrize("apart", [1, 2, 363, 364, 1000, LARGE // 2])
def test_what_stands_together_is_unrelated_in_one_order_of_many(apart):
    found = whole(1, "order", 0, count=LARGE)
    fell = found * 20 // LARGE
    require_as_likely(np.bincount(fell[:-apart] * 20 + fell[apart:], minlength=400))
    require_as_likely(np.bincount((found[apart:] - found[:-apart]) % LARGE * 100 // LARGE, minlength=100))


def test_an_order_of_a_billion_is_entered_anywhere_in_little_memory():
    count = 10**9
    found = order(0, "order", 1, count=count)
    places = np.array([0, 1, count // 2, count - 1])
    assert [found[int(place)] for place in places] == found[places].tolist()
    assert len(set(found[np.arange(count - 5000, count)].tolist())) == 5000
    assert found[places].tolist() == [
        882329712,
        478508735,
        869949811,
        7676886,
    ]  # As runs that have begun have it.


def test_seeds_and_epochs_have_orders_of_their_own():
    orders = [whole(*path, count=LARGE) for path in ((0, "order", 0), (1, "order", 0), (0, "order", 1))]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (orders[one] == orders[other]).sum() < 10


@pytest.mark.parametrize("place", [-1, 7, 2**62])
def test_a_place_that_is_not_there_is_an_error(place):
    with pytest.raises(IndexError, match=f"an order of 7 has no place {place}"):
        order(0, "order", count=7)[place]
