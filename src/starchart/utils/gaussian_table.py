"""The integral of a Gaussian from a table, for `erf` (k = 2) and `normal_cdf` (k = 1).

The density g(t) = g(0) exp(-k t^2/2) obeys g' = -k t g. So its Taylor coefficients at a point c follow from one
another:

    a_0 = g(c),    a_n = -k (c a_{n-1} + a_{n-2}) / n

They give the integral near c, and the density and the integral at the next point of the table. All is in fixed
point.

Between the points, integral(c + r) = integral(c) + a_0 r + the other terms. a_0 r is most of what is added, so it is
not rounded: r and a_0 are cut in two, and the product of the upper parts is exact.
"""

from math import floor, isqrt

from starchart.utils.fixed_point import FRACTION_BITS, UNIT, atan_of_reciprocal, split

# integral = high + low at the point; a_0 = steep + rest; then a_n / (n + 1) for n = 1 .. 9.
Row = tuple[float, ...]
_COEFFICIENTS = 10
_CUT = 1.5 * (1 << 27)  # adding and subtracting it rounds a float to a multiple of 2^-25


def reciprocal_root_pi(numerator: int, denominator: int) -> int:
    """Return sqrt(numerator / (denominator * pi)) in fixed point; pi by Machin's formula (1706).

    >>> reciprocal_root_pi(1, 2) * UNIT  # the height of the normal density
    0.3989422804014327
    """
    pi = 4 * (4 * atan_of_reciprocal(5) - atan_of_reciprocal(239))
    return isqrt((numerator << 3 * FRACTION_BITS) // (denominator * pi))


def gaussian_table(k: int, density: int, start: int, points: int) -> list[Row]:
    """Return a row for each of c = 0, 1/16, 2/16, ...: start + the integral from 0 to c, and its coefficients.

    `density` is g(0); it and `start` are in fixed point.
    """
    table = []
    integral = start
    for j in range(points):
        terms = _taylor_terms(k, j, density)
        coefficients = [(term << 4 * n) // (n + 1) * UNIT for n, term in enumerate(terms[:_COEFFICIENTS])]
        table.append((*split(integral, 53), *split(density, 32), *coefficients[1:]))
        density = sum(terms)
        integral += sum(term // (n + 1) for n, term in enumerate(terms)) // 16
    return table


def integral(table: list[Row], t: float) -> tuple[float, float]:
    """Return the integral at t in two parts, the second below an ulp of the first: their sum is to be rounded once.

    With c the multiple of 1/16 nearest to t, r = t - c is exact and at most 1/32. r has 20 bits in its upper part and
    a_0 has 33, so their product is exact, and the sum with `high`, which is larger, is parted exactly (Dekker 1971).
    What is left is wrong by an ulp or two of r^2 a_1.
    """
    j = floor(t * 16.0 + 0.5)
    r = t - j * 0.0625
    high, low, steep, rest, b, c, d, e, f, g, h, i, k = table[j]
    coarse = r + _CUT - _CUT
    rise = coarse * steep
    fine = (r - coarse) * steep
    fine += r * (rest + r * (b + r * (c + r * (d + r * (e + r * (f + r * (g + r * (h + r * (i + r * k)))))))))
    total = high + rise
    return total, (high - total) + rise + (low + fine)


def _taylor_terms(k: int, j: int, density: int) -> list[int]:
    """Return a_n h^n at the point c = j h for n = 0 .. 20, h = 1/16. The first one left out is below 2^-96."""
    terms = [density, -k * j * density // 256]
    for n in range(2, 21):
        terms.append(-k * (j * terms[-1] + terms[-2]) // (256 * n))
    return terms
