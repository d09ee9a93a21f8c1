"""The key-value cache of one block: the keys and values of the tokens so far, which do not change any more.

Without it each new token would compute the keys and values of all tokens before it again.
"""

from array import array
from collections.abc import Sequence
from typing import TypeAlias

from starchart.errors import ConsumedCacheError
from starchart.utils.matrix import Matrix

Heads: TypeAlias = "list[list[array[float]]]"  # [H][S][D]


class KeyValueCache:
    """Keys and values [H][S][D], as arrays of doubles: 8 bytes per number, and the bits of Python's floats.

    A cache is used once. `append` moves its contents into a new cache, and the old one raises ConsumedCacheError from
    then on. `fork` makes a copy first, for two continuations of one text.
    """

    def __init__(self, keys: Heads, values: Heads) -> None:
        self._contents: tuple[Heads, Heads] | None = (keys, values)

    @property
    def keys(self) -> Heads:  # [H][S][D]
        """The keys of S tokens."""
        return self._open()[0]

    @property
    def values(self) -> Heads:  # [H][S][D]
        """The values of S tokens."""
        return self._open()[1]

    def append(self, keys: Sequence[Matrix], values: Sequence[Matrix]) -> "KeyValueCache":  # [H][T][D], [H][T][D]
        """Return the cache with T more tokens; this one is used up."""
        old_keys, old_values = self._open()
        self._contents = None
        for old, new in ((old_keys, keys), (old_values, values)):
            for rows, new_rows in zip(old, new, strict=True):
                rows.extend(array("d", row) for row in new_rows)
        return KeyValueCache(old_keys, old_values)

    def _open(self) -> tuple[Heads, Heads]:
        if self._contents is None:
            raise ConsumedCacheError("this cache was used already; fork it before its first use")
        return self._contents


def new_cache(n_head: int) -> KeyValueCache:
    """Return a cache of no tokens."""
    return KeyValueCache([[] for _ in range(n_head)], [[] for _ in range(n_head)])


def fork(cache: KeyValueCache) -> KeyValueCache:
    """Return a copy: using one does not use up the other."""
    keys, values = ([list(head) for head in heads] for heads in (cache.keys, cache.values))  # rows never change
    return KeyValueCache(keys, values)
