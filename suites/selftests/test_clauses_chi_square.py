"""The chi-square distribution, held to closed forms, to tables, and to what every survival function does."""

from __future__ import annotations

from math import erfc, exp, factorial, gamma, inf, isclose, lgamma, log, nan, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcspec.clauses.chi_square import survival

#: Critical values of printed tables.
TABLE = [
    (2.706, 1, 0.1),
    (3.841, 1, 0.05),
    (10.828, 1, 0.001),
    (13.816, 2, 0.001),
    (9.488, 4, 0.05),
    (20.515, 5, 0.001),
    (18.307, 10, 0.05),
    (29.588, 10, 0.001),
    (43.773, 30, 0.05),
    (124.342, 100, 0.05),
    (149.449, 100, 0.001),
]

freedoms = st.integers(1, 300)
statistics = st.floats(0, 1000)


@pytest.mark.parametrize(("statistic", "freedom", "probability"), TABLE)
def test_tables_agree(statistic: float, freedom: int, probability: float) -> None:
    assert survival(statistic, freedom) == pytest.approx(probability, rel=2e-3)


@given(statistics)
def test_with_one_degree_of_freedom_it_is_the_square_of_a_normal_deviate(statistic: float) -> None:
    assert isclose(survival(statistic, 1), erfc(sqrt(statistic / 2)), rel_tol=1e-10, abs_tol=1e-300)


@given(statistics, st.integers(1, 60))
def test_with_an_even_number_of_degrees_it_is_a_sum_of_poisson(statistic: float, half: int) -> None:
    x = statistic / 2
    poisson = exp(-x) * sum(x**k / factorial(k) for k in range(half))
    assert isclose(survival(statistic, 2 * half), poisson, rel_tol=1e-9, abs_tol=1e-15)


@given(st.floats(0.01, 600), st.integers(1, 200))
def test_two_more_degrees_of_freedom_add_one_more_term(statistic: float, freedom: int) -> None:
    a, x = freedom / 2, statistic / 2
    term = exp(a * log(x) - x - lgamma(a + 1))
    assert survival(statistic, freedom + 2) == pytest.approx(survival(statistic, freedom) + term, rel=1e-9, abs=1e-14)


@given(statistics, statistics, freedoms)
def test_it_is_a_probability_that_falls(one: float, other: float, freedom: int) -> None:
    low, high = sorted([one, other])
    # Series and fraction meet where they are equal but for rounding.
    assert 0 <= survival(high, freedom) <= survival(low, freedom) + 1e-12 <= 1 + 1e-12


@given(statistics, freedoms)
def test_more_degrees_of_freedom_make_as_much_more_likely(statistic: float, freedom: int) -> None:
    assert survival(statistic, freedom) <= survival(statistic, freedom + 1) + 1e-12


@pytest.mark.parametrize("freedom", [1, 2, 3, 99, 10**6])
def test_nothing_is_always_reached_and_the_largest_number_never(freedom: int) -> None:
    assert survival(0.0, freedom) == 1.0
    assert survival(1e300, freedom) == 0.0


def test_far_out_it_does_not_lose_its_digits() -> None:
    # Of the upper tail, where 1 minus the lower one would be nothing at all.
    assert survival(500.0, 3) == pytest.approx(4.7716720318e-108, rel=1e-9)


def test_with_many_degrees_of_freedom_it_is_nearly_normal() -> None:
    freedom = 10**6
    for deviations, probability in ((-2.0, 0.97725), (0.0, 0.5), (2.0, 0.02275)):
        assert survival(freedom + deviations * sqrt(2 * freedom), freedom) == pytest.approx(probability, abs=5e-4)


def test_half_a_degree_is_the_gamma_function_of_a_half() -> None:
    # Near 0 the density decides: x^(1/2) / gamma(3/2).
    assert 1 - survival(2e-12, 1) == pytest.approx(1e-6 / gamma(1.5), rel=1e-6)


@pytest.mark.parametrize("statistic", [-1.0, nan, inf])
def test_a_statistic_that_is_none_is_refused(statistic: float) -> None:
    with pytest.raises(ValueError, match="a statistic must be 0 or more and finite"):
        survival(statistic, 1)


@pytest.mark.parametrize("freedom", [0, -1])
def test_without_a_degree_of_freedom_nothing_is_left_to_chance(freedom: int) -> None:
    with pytest.raises(ValueError, match="degrees of freedom must be 1 or more, not"):
        survival(1.0, freedom)
