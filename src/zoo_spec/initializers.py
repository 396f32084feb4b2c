"""How parameters start: NumPy values drawn by ``(seed, canonical name)``, the same bits on every machine.

Normal values are the inverse normal distribution of the generator's bits, by operations that IEEE 754
rounds exactly (+ - * / sqrt), so no platform's libm can show. Every value is float32; a float64 model starts
from the same values, widened.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zoo_spec.base import Float, PositiveFloat
from zoo_spec.random import bits, derive_key
from zoo_spec.registry import Registered

Cut = Annotated[float, Field(ge=0.01, le=8)]
"""In standard deviations; beyond 5.42 there is nothing left to cut off values made of 24 bits."""

Values = NDArray[np.float32]
Floats = NDArray[np.float64]


class Initializer(Registered):
    """Base of all initializers."""

    role: ClassVar[str] = "initializer"
    shipped_in: ClassVar[str] = "zoo_spec.initializers"

    def draw(self, seed: int, name: str, shape: tuple[int, ...]) -> Values:
        """The first values of the parameter ``name``, of ``shape`` in torch's layout, in row-major order.

        They depend on the arguments alone. Raises ValueError where the shape has no fans to scale by.
        """
        raise TypeError(f"initializer {self.kind!r} does not say what it draws")


class Zeros(Initializer):
    """All zero."""

    kind: Literal["zeros"] = "zeros"

    def draw(self, seed: int, name: str, shape: tuple[int, ...]) -> Values:
        """Zeros, whatever the seed."""
        return np.zeros(shape, np.float32)


class Ones(Initializer):
    """All one."""

    kind: Literal["ones"] = "ones"

    def draw(self, seed: int, name: str, shape: tuple[int, ...]) -> Values:
        """Ones, whatever the seed."""
        return np.ones(shape, np.float32)


class Constant(Initializer):
    """All the same value."""

    kind: Literal["constant"] = "constant"
    value: Float
    """The value of every element."""

    def draw(self, seed: int, name: str, shape: tuple[int, ...]) -> Values:
        """The value, whatever the seed."""
        return np.full(shape, self.value, np.float32)


class Normal(Initializer):
    """Normal with mean 0."""

    kind: Literal["normal"] = "normal"
    std: PositiveFloat
    """Standard deviation."""

    def draw(self, seed: int, name: str, shape: tuple[int, ...]) -> Values:
        """Normal values."""
        return _normal(seed, name, shape, self.std)


class TruncatedNormal(Initializer):
    """Normal with mean 0, nothing beyond ``cut`` sigma (TensorFlow's; torch's own cuts at an absolute 2)."""

    kind: Literal["truncated_normal"] = "truncated_normal"
    std: PositiveFloat
    """Standard deviation: of the normal before the cut, or, if ``corrected``, of what remains of it."""
    cut: Cut = 2.0
    """Where the normal is cut, in standard deviations of the uncut normal."""
    corrected: bool = False
    """False (as in BERT and Keras): a cut at 2 leaves 0.88 ``std``. True: it leaves ``std``."""

    def draw(self, seed: int, name: str, shape: tuple[int, ...]) -> Values:
        """Truncated normal values."""
        std = self.std / truncated_std(self.cut) if self.corrected else self.std
        return _truncated_normal(seed, name, shape, std, self.cut)


class Uniform(Initializer):
    """Uniform between ``-limit`` and ``limit``."""

    kind: Literal["uniform"] = "uniform"
    limit: PositiveFloat
    """The largest magnitude."""

    def draw(self, seed: int, name: str, shape: tuple[int, ...]) -> Values:
        """Uniform values."""
        return _uniform(seed, name, shape, self.limit)


class GlorotUniform(Initializer):
    """Uniform with limit sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010, equation 16)."""

    kind: Literal["glorot_uniform"] = "glorot_uniform"

    def draw(self, seed: int, name: str, shape: tuple[int, ...]) -> Values:
        """Uniform values scaled by both fans."""
        return _uniform(seed, name, shape, math.sqrt(6 / sum(fans(name, shape))))


class HeNormal(Initializer):
    """Normal with std sqrt(2 / fan_in) (He et al., 2015, equation 10)."""

    kind: Literal["he_normal"] = "he_normal"
    cut: Cut | None = None
    """None: the paper's and torch's whole normal. 2.0: Keras' truncated one, std as above after the cut."""

    def draw(self, seed: int, name: str, shape: tuple[int, ...]) -> Values:
        """Normal values scaled by the fan in."""
        return _scaled_normal(seed, name, shape, math.sqrt(2 / fans(name, shape)[0]), self.cut)


class HeUniform(Initializer):
    """Uniform with limit sqrt(6 / fan_in) (He et al., 2015), for a ReLU without leak."""

    kind: Literal["he_uniform"] = "he_uniform"

    def draw(self, seed: int, name: str, shape: tuple[int, ...]) -> Values:
        """Uniform values scaled by the fan in."""
        return _uniform(seed, name, shape, math.sqrt(6 / fans(name, shape)[0]))


class LecunNormal(Initializer):
    """Normal with std sqrt(1 / fan_in) (LeCun et al., 1998)."""

    kind: Literal["lecun_normal"] = "lecun_normal"
    cut: Cut | None = None
    """None: the whole normal. 2.0: Keras' truncated one, std as above after the cut."""

    def draw(self, seed: int, name: str, shape: tuple[int, ...]) -> Values:
        """Normal values scaled by the fan in."""
        return _scaled_normal(seed, name, shape, math.sqrt(1 / fans(name, shape)[0]), self.cut)


def fans(name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs to and outputs of one unit of a weight in torch's layout, ``[out, in, *kernel]``."""
    if len(shape) < 2:
        raise ValueError(
            f"{name} of shape {list(shape)} has no fan in and fan out, by which its initializer scales: "
            "that takes two dimensions or more; give it zeros, ones, constant, normal or uniform"
        )
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def truncated_std(cut: float) -> float:
    """Standard deviation that is left of a standard normal cut at ``cut`` on both sides; 0.8796 for 2."""
    with localcontext(_EXACT):
        inside = 1 - 2 * _below(-Decimal(cut))
        density = (-(Decimal(cut) ** 2) / 2).exp() / (2 * _PI).sqrt()
        return float((1 - 2 * Decimal(cut) * density / inside).sqrt())


def normal_quantile(p: Floats) -> Floats:
    """The standard normal's inverse distribution function, to about 1e-15 (Wichura, 1988, AS 241, PPND16).

    ``p`` is from 2**-36 to 1 - 2**-36, within which the algorithm's third branch is never reached.
    """
    q = p - 0.5
    r = q * q
    x = _rational(np.subtract(0.180625, r, out=r), _CENTRE)
    x *= q
    outer = np.flatnonzero(np.abs(q) > 0.425)
    tail = p[outer]
    upper = tail > 0.5
    r = np.sqrt(-_log(np.where(upper, 1.0 - tail, tail)))
    x[outer] = np.where(upper, 1.0, -1.0) * _rational(r - 1.6, _TAIL)
    return x


def _normal(seed: int, name: str, shape: tuple[int, ...], std: float, below: float = 0.0) -> Values:
    """With the part ``below`` of the distribution cut off, and as much above."""
    inside = 1.0 - 2.0 * below

    def values(u: Floats) -> Floats:
        if below:
            u *= inside
            u += below
        x = normal_quantile(u)
        x *= std
        return x

    return _fill(seed, name, shape, values)


def _truncated_normal(seed: int, name: str, shape: tuple[int, ...], std: float, cut: float) -> Values:
    with localcontext(_EXACT):
        below = float(_below(-Decimal(cut)))
    return _normal(seed, name, shape, std, below)


def _scaled_normal(seed: int, name: str, shape: tuple[int, ...], std: float, cut: float | None) -> Values:
    if cut is None:
        return _normal(seed, name, shape, std)
    return _truncated_normal(seed, name, shape, std / truncated_std(cut), cut)


def _uniform(seed: int, name: str, shape: tuple[int, ...], limit: float) -> Values:
    return _fill(seed, name, shape, lambda u: (u * 2.0 - 1.0) * limit)


def _fill(seed: int, name: str, shape: tuple[int, ...], transform: Callable[[Floats], Floats]) -> Values:
    """``transform`` of the middles of 2**24 equal parts of (0, 1), chosen by the bits; it may write there."""
    key, count = derive_key(seed, "parameter", name), math.prod(shape)
    out = np.empty(count, np.float32)
    np.empty(64 * _CHUNK, np.uint8)  # Freed at once: glibc then keeps what a chunk needs for the next one.
    for start in range(0, count, _CHUNK):
        drawn = bits(key, min(_CHUNK, count - start), start)
        drawn >>= np.uint32(8)
        middles = np.add(drawn, 0.5, dtype=np.float64)
        middles *= 2.0**-24
        out[start : start + _CHUNK] = transform(middles)
    return out.reshape(shape)


def _rational(r: Floats, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Floats:
    """Quotient of two polynomials in ``r``, coefficients from the highest power down (Horner)."""
    above, below = (r * terms[0] for terms in coefficients)
    above += coefficients[0][1]
    below += coefficients[1][1]
    for over, under in zip(coefficients[0][2:], coefficients[1][2:], strict=True):
        above *= r
        above += over
        below *= r
        below += under
    above /= below
    return above


def _log(x: Floats) -> Floats:
    """Natural logarithm to about 2e-16, as 2 atanh((m - 1) / (m + 1)) of the mantissa, without libm."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < math.sqrt(0.5)
    mantissa = np.where(small, mantissa * 2.0, mantissa)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    series = np.full_like(z, 1 / 23)
    for power in range(21, 0, -2):
        series *= z
        series += 1 / power
    return (exponent - small) * 0.6931471805599453 + 2.0 * s * series


def _below(x: Decimal) -> Decimal:
    """The normal distribution function at ``x``, by its power series around 0 in many digits."""
    term, total, n = x, x, 0
    while abs(term) > Decimal("1e-60"):
        n += 1
        term *= -x * x / (2 * n)
        total += term / (2 * n + 1)
    return Decimal("0.5") + total / (2 * _PI).sqrt()


_CHUNK = 1 << 16  # values; measured fastest, and threads were measured to gain nothing
_EXACT = Context(prec=100)  # decimal rounds exactly everywhere; the digits outlast the series' cancellation
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")

# AS 241's coefficients a, b (centre) and c, d (tail), from the highest power down.
_CENTRE = (
    (
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    ),
)
_TAIL = (
    (
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258e0,
        3.64784832476320460504e0,
        5.76949722146069140550e0,
        4.63033784615654529590e0,
        1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940e0,
        2.05319162663775882187e0,
        1.0,
    ),
)
