"""Rounding to float32, in which transformers samples: two logits that become equal there must become equal here too.

`array` and `struct` round to the nearest float32, ties to even, as IEEE-754 says, on every machine.
"""

from array import array
from collections.abc import Iterable
from struct import Struct

LARGEST_FLOAT32 = 3.4028234663852886e38  # (2 - 2**-23) * 2**127
SMALLEST_FLOAT32 = 1.401298464324817e-45  # 2**-149

_float32 = Struct("f")


def float32(x: float) -> float:
    """Return the float32 nearest to x, as a float. x must be NaN or at most LARGEST_FLOAT32 in size.

    >>> float32(0.1)
    0.10000000149011612
    """
    rounded: float = _float32.unpack(_float32.pack(x))[0]
    return rounded


def float32_row(row: Iterable[float]) -> list[float]:  # [V] -> [V]
    """Return the float32 nearest to each number of a row; too large a number becomes infinite.

    >>> float32_row([1.0, 0.1, 1e39])
    [1.0, 0.10000000149011612, inf]
    """
    return array("f", row).tolist()
