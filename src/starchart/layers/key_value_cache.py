"""The key-value cache of one block: what its heads remember of the tokens so far.

Without it every new token would pay for all the tokens before it again. A cache is used once: `append` moves its
contents into a new one, and the old one raises if it is touched again. `fork` makes a copy first, for two futures of
one past.
"""

from array import array
from collections.abc import Sequence
from typing import TypeAlias

from starchart.errors import ConsumedCacheError
from starchart.utils.matrix import Matrix

Numbers: TypeAlias = "array[float]"


class KeyValueCache:
    """Keys [H][S][D] and values [H][D][S], as arrays of doubles (8 bytes a number, the same bits as floats).

    Values are kept by channel, because the output is one dot product a channel: pattern row times value column.
    """

    def __init__(self, keys: list[list[Numbers]], values: list[list[Numbers]]) -> None:
        self._contents: tuple[list[list[Numbers]], list[list[Numbers]]] | None = (keys, values)

    @property
    def keys(self) -> list[list[Numbers]]:  # [H][S][D]
        """The keys of S tokens, by token."""
        return self._open()[0]

    @property
    def values(self) -> list[list[Numbers]]:  # [H][D][S]
        """The values of S tokens, by channel."""
        return self._open()[1]

    def append(self, keys: Sequence[Matrix], values: Sequence[Matrix]) -> "KeyValueCache":  # [H][T][D], [H][T][D]
        """Return the cache with T more tokens; this one is used up."""
        old_keys, old_values = self._open()
        self._contents = None
        for head, (new_keys, new_values) in enumerate(zip(keys, values, strict=True)):
            old_keys[head].extend(array("d", key) for key in new_keys)
            channels = list(zip(*new_values, strict=True))
            if not old_values[head]:
                old_values[head] = [array("d") for _ in channels]
            for channel, numbers in zip(old_values[head], channels, strict=True):
                channel.extend(numbers)
        return KeyValueCache(old_keys, old_values)

    def _open(self) -> tuple[list[list[Numbers]], list[list[Numbers]]]:
        if self._contents is None:
            raise ConsumedCacheError("this cache was used already; fork it before its first use")
        return self._contents


def new_cache(n_head: int) -> KeyValueCache:
    """Return a cache of no tokens."""
    return KeyValueCache([[] for _ in range(n_head)], [[] for _ in range(n_head)])


def fork(cache: KeyValueCache) -> KeyValueCache:
    """Return a copy that shares nothing with `cache`."""
    keys = [list(head) for head in cache.keys]
    values = [[channel[:] for channel in head] for head in cache.values]
    return KeyValueCache(keys, values)
