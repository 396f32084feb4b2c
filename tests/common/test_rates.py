"""Rates that a run shows: of now, whatever came before."""

from zoo_common.training.recent_rates import RecentRates


def test_a_first_step_of_minutes_leaves_the_rate_with_the_second():
    rates = RecentRates(0, 100.0)
    rates.add(1, 400.0, 1_000)
    assert str(rates) == "300.00 s/step  3 tokens/s"
    rates.add(2, 400.5, 1_000)
    assert str(rates) == "2.00 steps/s  2,000 tokens/s"


def test_rates_are_of_the_last_twenty_steps():
    rates = RecentRates(7, 0.0)
    now = 0.0
    for number, seconds in enumerate([1.0] * 50 + [0.25] * 20, start=8):
        now += seconds
        rates.add(number, now, 0)
    assert str(rates) == "4.00 steps/s"


def test_a_run_without_a_step_has_no_rate():
    assert str(RecentRates(3, 0.0)) == ""


def test_seconds_that_files_are_waited_for_are_those_of_a_step():
    rates = RecentRates(0, 0.0)
    for number, waited in enumerate([9.0, 0.5, 1.0], start=1):
        rates.add(number, 2.0 * number, 0, waited)
    assert str(rates) == "2.00 s/step  waits 0.75 s/step for files"
