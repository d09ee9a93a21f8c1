"""Keys and values of one block in lanes, so that attention too is sums of big integers.

Scores: position s is a lane, channel d a row, and the query is the vector: score_s = sum_d q_d k_sd. A key has a scale
of its own, and positions fill an integer of so many lanes before the next one is begun.
Output: channel d is a lane, position s a row, and the pattern is the vector: z_d = sum_s p_s v_sd. A value has a scale
of its own too, which p_s carries.

What is computed for a position depends neither on the blocks nor on how many tokens were read at once.
"""

from collections.abc import Sequence
from itertools import chain, repeat
from math import ldexp
from operator import mul

from starchart.engines.packed.lanes import Words, pack_lanes
from starchart.engines.packed.packed_matrix import Lanes, lane_sums, quantise, quantise_weights, scale_of
from starchart.errors import ConsumedCacheError
from starchart.utils.matrix import Vector

_POSITIONS = 128  # lanes of an integer of keys


class HeadCache:
    """The keys and values that one head has seen."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._keys: list[list[int]] = []  # [blocks][D], a lane a position
        self._key_scales: list[float] = []  # [S]
        self._values: list[int] = []  # [S], a lane a channel
        self._value_scales: list[float] = []  # [S]

    def append(self, key: Vector, value: Vector) -> None:  # [D], [D]
        """Add one token."""
        bits, width = self._lanes.weight_bits, self._lanes.width
        lane = len(self._key_scales) % _POSITIONS
        if lane == 0:
            self._keys.append([0] * len(key))
        numbers, scale = _quantise_vector(key, bits)
        self._keys[-1] = [row | number << (lane * width) for row, number in zip(self._keys[-1], numbers, strict=True)]
        self._key_scales.append(scale)
        numbers, scale = _quantise_vector(value, bits)
        self._values.append(pack_lanes(numbers, width))
        self._value_scales.append(scale)

    def scores(self, query: Vector, scale: float) -> list[float]:  # [D] -> [S]
        """Return scale times the dot product of the query with every key."""
        a, exponent = quantise(query, self._lanes)
        count = len(self._key_scales)
        counts = [min(_POSITIONS, count - start) for start in range(0, count, _POSITIONS)]
        sums = chain.from_iterable(
            lane_sums(rows, a, self._lanes, n) for rows, n in zip(self._keys, counts, strict=True)
        )
        return list(map(mul, sums, map(mul, self._key_scales, repeat(scale * ldexp(1.0, -exponent)))))

    def mix(self, pattern: Vector) -> list[float]:  # [S] -> [D]
        """Return the sum of the values, weighted by the pattern."""
        a, exponent = quantise(list(map(mul, pattern, self._value_scales)), self._lanes)
        sums = lane_sums(self._values, a, self._lanes, len(self._keys[0]))
        return list(map(mul, sums, repeat(ldexp(1.0, -exponent))))

    def copy(self) -> "HeadCache":
        """Return a copy that shares nothing that is ever changed."""
        other = HeadCache(self._lanes)
        other._keys = list(self._keys)
        other._key_scales, other._value_scales = list(self._key_scales), list(self._value_scales)
        other._values = list(self._values)
        return other


class AttentionCache:
    """The heads of one block. A value that is used once, as the reference engine's cache is."""

    def __init__(self, heads: Sequence[HeadCache]) -> None:
        self._heads: Sequence[HeadCache] | None = heads

    def take(self) -> Sequence[HeadCache]:  # [H]
        """Return the heads; this cache is used up. Raises ConsumedCacheError the second time."""
        heads, self._heads = self.heads, None
        return heads

    @property
    def heads(self) -> Sequence[HeadCache]:
        """The heads. Raises ConsumedCacheError where they were taken."""
        if self._heads is None:
            raise ConsumedCacheError("this cache was used already; fork it before its first use")
        return self._heads


def _quantise_vector(vector: Vector, bits: int) -> tuple[Words, float]:  # [D] -> [D]
    scale = scale_of(max(map(abs, vector)), bits)
    return quantise_weights(vector, [1.0 / scale] * len(vector), bits), scale
