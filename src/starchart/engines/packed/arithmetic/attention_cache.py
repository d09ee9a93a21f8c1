"""The keys and values of one attention head in lanes: scores and outputs are sums of big integers too.

    scores     score_s = sum_d q_d k_sd      a lane for each position s, a row for each channel d
    outputs    z_d = sum_s p_s v_sd          a lane for each channel d, a row for each position s

The vector is the query q, or the pattern p. Every key and every value has a scale; p_s is multiplied by the scale of
value s. The keys of 128 positions share one integer for each channel. Lanes are as wide as a word of the processor:
here an integer has few lanes, and the width that is fastest to read is better than a narrower one.

No lane overflows: |sum_i a_i q_i| <= A 2^(b-1) with A = sum_i |a_i|, and the exponent of the vector is chosen so that
A 2^b <= 2^(L-1), which is asserted. The result for a position depends neither on the blocks of 128 nor on the number of
tokens that were read at once.
"""

import sys
from array import array
from collections.abc import Sequence
from itertools import chain, repeat
from math import frexp, ldexp
from operator import lshift, mul, or_

from starchart.engines.packed.arithmetic.lanes import Lanes, Words, ones
from starchart.engines.packed.arithmetic.nearest import WHOLE, low_words
from starchart.engines.packed.arithmetic.quantised_weights import quantise_weights, scale_of
from starchart.errors import GenerationError
from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Vector

_POSITIONS = 128  # lanes in an integer of keys
_LARGEST_DIGIT = (1 << 30) - 1  # of CPython's integers: a number above it costs twice the time
_LARGEST_EXPONENT = 1000  # of the scale of a vector: 2^1000 and 2^-1000 are floats
_LARGEST_SUM = ldexp(1.0, 1000)


class AttentionCache:
    """The keys and values of one attention head. `name`: its layer, for error messages."""

    def __init__(self, lanes: Lanes, name: str) -> None:
        self._lanes = lanes
        self._name = name
        self._keys: list[list[int]] = []  # [blocks][D], a lane a position
        self._key_scales = array("d")  # [S]
        self._values: list[int] = []  # [S], a lane a channel
        self._value_scales = array("d")  # [S]

    def append(self, key: Vector, value: Vector) -> None:  # [D], [D]
        """Add one token."""
        width = self._lanes.width
        lane = len(self._key_scales) % _POSITIONS
        if lane == 0:
            self._keys.append([0] * len(key))
        numbers, scale = self._quantise(key)
        self._keys[-1] = list(map(or_, self._keys[-1], map(lshift, numbers, repeat(lane * width))))
        self._key_scales.append(scale)
        numbers, scale = self._quantise(value)
        self._values.append(_lanes(numbers, width))
        self._value_scales.append(scale)
        if lane == _POSITIONS - 1:
            # `+ 0` makes copies, contiguous in memory: integers scattered over memory are read half as fast.
            self._keys[-1] = [row + 0 for row in self._keys[-1]]
            self._values[-_POSITIONS:] = [row + 0 for row in self._values[-_POSITIONS:]]

    def scores(self, query: Vector, scale: float) -> list[float]:  # [D] -> [S]
        """Return scale times the dot product of the query with every key."""
        a, exponent = round_by_sum(query, self._lanes, self._name)
        count = len(self._key_scales)
        counts = [min(_POSITIONS, count - start) for start in range(0, count, _POSITIONS)]
        sums = chain.from_iterable(_sums(rows, a, self._lanes, n) for rows, n in zip(self._keys, counts, strict=True))
        unit = scale * ldexp(1.0, -exponent)
        return [total * (key_scale * unit) for total, key_scale in zip(sums, self._key_scales, strict=True)]

    def mix(self, pattern: Vector) -> list[float]:  # [S] -> [D]
        """Return the sum of the values, weighted by the pattern."""
        a, exponent = round_by_sum(list(map(mul, pattern, self._value_scales)), self._lanes, self._name)
        sums = _sums(self._values, a, self._lanes, len(self._keys[0]))
        unit = ldexp(1.0, -exponent)
        return [total * unit for total in sums]

    def copy(self) -> "AttentionCache":
        """Return a copy. It shares only what is never changed."""
        other = AttentionCache(self._lanes, self._name)
        other._keys = list(self._keys)
        other._key_scales, other._value_scales = self._key_scales[:], self._value_scales[:]
        other._values = list(self._values)
        return other

    def _quantise(self, vector: Vector) -> tuple[Words, float]:  # [D] -> [D]
        if not exact_sum(map(abs, vector)) < _LARGEST_SUM:
            raise _not_finite(self._name)
        scale = scale_of(max(map(abs, vector)), self._lanes.weight_bits)
        return quantise_weights(vector, repeat(1.0 / scale), self._lanes.weight_bits), scale


def round_by_sum(x: Vector, lanes: Lanes, name: str) -> tuple[list[int], int]:  # [n] -> [n]
    """Return whole numbers a_i and an exponent e with x_i = a_i 2^-e nearly, |a_i| < 2^30, sum |a_i| <= 2^(L-1-b).

    Raises GenerationError where the numbers of x are infinite or NaN.

    >>> round_by_sum([1.0, -0.25], Lanes(32, 21), "attn")
    ([512, -128], 9)
    """
    limit = 1 << (lanes.width - 1 - lanes.weight_bits)
    total = exact_sum(map(abs, x))
    if total == 0:
        return [0] * len(x), 0
    if not total < _LARGEST_SUM:
        raise _not_finite(name)
    # Rounding adds at most 1/2 to each |a_i|, and leaves 0 as it is.
    most = min((limit - (len(x) - x.count(0.0)) / 2) / total, _LARGEST_DIGIT / max(map(abs, x)))
    exponent = min(frexp(most)[1] - 1, _LARGEST_EXPONENT)
    factor = ldexp(1.0, exponent)
    numbers = array("d", [value * factor + WHOLE for value in x])
    a = array("i", low_words(numbers).tobytes()).tolist()
    assert sum(map(abs, a)) <= limit
    return a, exponent


def _sums(rows: Sequence[int], a: Sequence[int], lanes: Lanes, count: int) -> Words:  # [n], [n] -> [count]
    """Return sum_i a_i q_ij for the first `count` lanes j of the rows, which hold q_ij + 2^(b-1)."""
    # The sums are T_j + 2^(L-1). Flipping the highest bit gives T_j in two's complement.
    columns = ones(lanes.width, count)
    excess = (columns << (lanes.width - 1)) - (columns << (lanes.weight_bits - 1)) * sum(a)
    words = array("q" if lanes.width == 64 else "i")
    total = sum(map(mul, rows, a), excess) ^ columns << (lanes.width - 1)
    words.frombytes(total.to_bytes(words.itemsize * count, sys.byteorder))
    if sys.byteorder == "big":
        words.reverse()
    return words


def _lanes(values: Words, width: int) -> int:
    words = array("Q" if width == 64 else "I", values)
    if sys.byteorder == "big":
        words.reverse()
    return int.from_bytes(words.tobytes(), sys.byteorder)


def _not_finite(name: str) -> GenerationError:
    return GenerationError(
        f"{name}: its output is infinite, NaN or too large; look for huge weights in this layer and before"
    )
