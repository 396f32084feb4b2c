"""First values have the distribution that was asked for, and the same bits everywhere."""

from __future__ import annotations

import hashlib
import math
import statistics

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from zoo_spec.initializers import (
    Constant,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    LecunNormal,
    Normal,
    Ones,
    TruncatedNormal,
    Uniform,
    Zeros,
    fans,
    normal_quantile,
    truncated_std,
)

SHAPE = (400, 500)  # fan in 500, fan out 400
DENSITY_AT_2 = math.exp(-2) / math.sqrt(2 * math.pi)
STD_CUT_AT_2 = math.sqrt(1 - 4 * DENSITY_AT_2 / math.erf(math.sqrt(2)))

# Initializer, standard deviation, largest magnitude that may occur.
DISTRIBUTIONS = [
    (Normal(std=0.02), 0.02, 0.02 * 5.42),
    (TruncatedNormal(std=0.02), 0.02 * STD_CUT_AT_2, 0.04),
    (TruncatedNormal(std=0.02, corrected=True), 0.02, 0.04 / STD_CUT_AT_2),
    (TruncatedNormal(std=0.02, cut=8.0), 0.02, 0.02 * 5.42),
    (Uniform(limit=0.3), 0.3 / math.sqrt(3), 0.3),
    (GlorotUniform(), math.sqrt(2 / 900), math.sqrt(6 / 900)),
    (HeNormal(), math.sqrt(2 / 500), math.sqrt(2 / 500) * 5.42),
    (HeNormal(cut=2.0), math.sqrt(2 / 500), math.sqrt(2 / 500) * 2 / STD_CUT_AT_2),
    (HeUniform(), math.sqrt(2 / 500), math.sqrt(6 / 500)),
    (LecunNormal(), math.sqrt(1 / 500), math.sqrt(1 / 500) * 5.42),
    (LecunNormal(cut=2.0), math.sqrt(1 / 500), math.sqrt(1 / 500) * 2 / STD_CUT_AT_2),
]
ALL = [Zeros(), Ones(), Constant(value=0.1), *(initializer for initializer, _, _ in DISTRIBUTIONS)]


@pytest.mark.parametrize(("initializer", "std", "largest"), DISTRIBUTIONS, ids=lambda value: str(value)[:60])
def test_values_have_the_distribution_that_was_asked_for(initializer, std, largest):
    values = initializer.draw(0, "w", SHAPE).astype(np.float64)
    assert np.unique(values).size > 0.9 * values.size
    assert abs(values.mean()) < 5 * std / math.sqrt(values.size)
    assert values.std() == pytest.approx(std, rel=0.01)
    assert 0.7 * largest < np.abs(values).max() <= largest * (1 + 1e-7)
    ranks = np.arange(500, values.size, 997)
    expected = quantiles(initializer, (ranks + 0.5) / values.size) * std / spread(initializer)
    np.testing.assert_allclose(np.sort(values.ravel())[ranks], expected, atol=0.1 * std)


def quantiles(initializer, p):
    """The exact quantiles of the standard form of an initializer's distribution."""
    if "uniform" in initializer.kind:
        return 2 * p - 1
    normal, cut = statistics.NormalDist(), getattr(initializer, "cut", None)
    low = normal.cdf(-cut) if cut else 0.0
    return np.array([normal.inv_cdf(low + x * (1 - 2 * low)) for x in p])


def spread(initializer):
    """The standard deviation of that standard form."""
    if "uniform" in initializer.kind:
        return 1 / math.sqrt(3)
    return truncated_std(initializer.cut) if getattr(initializer, "cut", None) else 1.0


@pytest.mark.parametrize("initializer", ALL, ids=lambda value: str(value)[:60])
def test_values_depend_on_seed_name_and_shape_alone(initializer):
    values = initializer.draw(3, "a.weight", (70, 1000))
    assert values.dtype == np.float32
    assert values.shape == (70, 1000)
    np.testing.assert_array_equal(initializer.draw(3, "a.weight", (70, 1000)), values)
    if not isinstance(initializer, Zeros | Ones | Constant):
        assert not np.array_equal(initializer.draw(4, "a.weight", (70, 1000)), values)
        assert not np.array_equal(initializer.draw(3, "b.weight", (70, 1000)), values)


@pytest.mark.parametrize(
    ("initializer", "first", "digest"),
    [
        (Normal(std=1.0), ["-0x1.9d97100000000p-2", "0x1.44c1900000000p-2"], "3d3f71f8dfaa3c6f"),
        (TruncatedNormal(std=1.0), ["-0x1.89ca5a0000000p-2", "0x1.3582740000000p-2"], "629b7c8bfc838922"),
        (Uniform(limit=1.0), ["-0x1.413d840000000p-2", "0x1.fdad880000000p-3"], "eff89a79ecbcb565"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_values_are_those_of_every_other_version_and_platform(initializer, first, digest):
    values = initializer.draw(0, "w", SHAPE)
    assert [float(value).hex() for value in values[0, :2]] == first
    assert hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()[:16] == digest


def test_the_normal_quantile_is_that_of_the_standard_library():
    p = np.concatenate([(np.arange(0, 2**24, 4999) + 0.5) / 2**24, [2.0**-36, 2.0**-25, 0.5, 1 - 2.0**-25]])
    p = np.concatenate([p, [0.075, 0.925, np.nextafter(0.075, 0), np.nextafter(0.925, 1)]])
    exact = np.array([statistics.NormalDist().inv_cdf(x) for x in p])
    np.testing.assert_allclose(normal_quantile(p), exact, rtol=2e-15, atol=0)


@pytest.mark.parametrize("cut", [0.01, 0.5, 1.0, 2.0, 5.0, 8.0])
def test_what_a_cut_leaves_of_the_spread_is_exact(cut):
    density = math.exp(-cut * cut / 2) / math.sqrt(2 * math.pi)
    expected = math.sqrt(1 - 2 * cut * density / math.erf(cut / math.sqrt(2)))
    assert truncated_std(cut) == pytest.approx(expected, rel=1e-9)
    assert truncated_std(2.0) == pytest.approx(0.87962566103423978, rel=1e-15)  # the constant in Keras


def test_fans_are_those_of_torch():
    import torch

    for shape in [(7, 5), (8, 3, 5, 5), (4, 1, 9)]:
        assert fans("w", shape) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))


@pytest.mark.parametrize("initializer", [GlorotUniform(), HeNormal(), HeUniform(), LecunNormal()])
def test_a_shape_without_fans_is_refused(initializer):
    with pytest.raises(ValueError, match=r"a\.bias of shape \[7\] has no fan in"):
        initializer.draw(0, "a.bias", (7,))


@pytest.mark.parametrize("shape", [(), (1,), (3, 0)])
def test_small_shapes_are_no_exception(shape):
    assert Normal(std=1.0).draw(0, "w", shape).shape == shape


def test_a_long_draw_begins_like_a_short_one():
    long, short = Normal(std=1.0).draw(0, "w", (200_001,)), Normal(std=1.0).draw(0, "w", (1001,))
    np.testing.assert_array_equal(long[:1001], short)


@pytest.mark.parametrize("initializer", ALL, ids=lambda value: str(value)[:60])
def test_kind_picks_the_class(initializer):
    assert TypeAdapter(Initializer).validate_python(initializer.model_dump()) == initializer


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "normal"},
        {"kind": "normal", "std": 0},
        {"kind": "truncated_normal", "std": 1.0, "cut": 9},
        {"kind": "x"},
    ],
)
def test_wrong_fields_are_refused(given):
    with pytest.raises(ValidationError):
        TypeAdapter(Initializer).validate_python(given)
