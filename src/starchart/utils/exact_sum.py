"""The correctly rounded sum: the float nearest to the exact sum of floats, in whatever order they come.

This is Python's `math.fsum` (Shewchuk 1997, section 2). The built-in `sum` rounds after every term, and since Python
3.12 it rounds in another way than before.
"""

from collections.abc import Iterable
from math import fsum, nan


def exact_sum(values: Iterable[float]) -> float:
    """Return the sum, rounded once; nan where it, or a partial sum, is beyond the range of floats.

    >>> exact_sum([1e16, 1.0, -1e16])
    1.0
    >>> exact_sum([1e308, 1e308])
    nan
    """
    try:
        return fsum(values)
    except (OverflowError, ValueError):  # a partial sum beyond 1.8e308, or inf - inf
        return nan
