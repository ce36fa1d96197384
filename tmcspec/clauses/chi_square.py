"""The chi-square distribution: how likely chance alone is so far from what it gives on average.

Its survival function is the regularised upper incomplete gamma function Q(a, x) with a = freedom / 2 and x = statistic
/ 2. Below its mean the series of the lower one converges fast, above it the continued fraction of the upper one.
"""

from __future__ import annotations

from math import exp, lgamma, log

#: Where a sum or a fraction has converged; doubles tell hardly more.
CONVERGED = 1e-15


def survival(statistic: float, freedom: int) -> float:
    """The probability that chance gives a statistic of at least this much.

    Args:
        statistic: 0 or more, and finite.
        freedom: the degrees of freedom, 1 or more.

    Raises:
        ValueError: one of them is out of its range.

    Example:
        >>> round(survival(3.841, 1), 3)
        0.05
    """
    if not 0 <= statistic < float("inf"):
        raise ValueError(f"a statistic must be 0 or more and finite, not {statistic!r}")
    if freedom < 1:
        raise ValueError(f"degrees of freedom must be 1 or more, not {freedom!r}")
    a, x = freedom / 2, statistic / 2
    if x == 0:
        return 1.0
    # x^a e^-x / gamma(a), which both have as a factor.
    density = exp(a * log(x) - x - lgamma(a))
    return 1 - density * _series(a, x) if x < a + 1 else density * _fraction(a, x)


def _series(a: float, x: float) -> float:
    """1/a + x/(a(a+1)) + x^2/(a(a+1)(a+2)) + ...; its terms fall, because x is less than a + 1."""
    total = term = 1 / a
    n = a
    while term > total * CONVERGED:
        n += 1
        term *= x / n
        total += term
    return total


def _fraction(a: float, x: float) -> float:
    """1/(x+1-a - 1(1-a)/(x+3-a - 2(2-a)/(x+5-a - ...))), from its front on (modified Lentz).

    Every denominator is positive, because x is at least a + 1.
    """
    b = x + 1 - a
    d = total = 1 / b
    c, i, change = float("inf"), 0, 0.0
    while abs(change - 1) > CONVERGED:
        i += 1
        step = i * (a - i)
        b += 2
        d = 1 / (step * d + b)
        c = b + step / c
        change = c * d
        total *= change
    return total
