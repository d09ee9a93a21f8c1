"""What the packed engine hands on instead of lists: things that are not computed yet, or that lie with the shards."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

from starchart.errors import ConsumedCacheError
from starchart.utils.matrix import Matrix


@dataclass(frozen=True)
class PackedLayer:
    """What stands for the matrix of a linear layer, or for the head."""

    name: str
    bound: int  # on the squared norm of a group of rows of any column


@dataclass(frozen=True)
class Deferred:
    """A linear layer, or the head, that is not computed yet."""

    x: Matrix  # [T][in]
    layer: PackedLayer


@dataclass(frozen=True)
class Kept:
    """Vectors of which each shard keeps its part, until it is given others."""

    norms: Sequence[float]  # [T]


class CacheName:
    """The number by which the shards know a cache. When nobody has the name any more, they may forget the cache."""

    def __init__(self, number: int, forgotten: list[int]) -> None:
        self.number = number
        weakref.finalize(self, forgotten.append, number).atexit = False


class AttentionCache:
    """What stands for the keys and values of one block. A value that is used once."""

    def __init__(self, name: CacheName) -> None:
        self._name: CacheName | None = name

    @property
    def name(self) -> CacheName:
        """Its name. Raises ConsumedCacheError if the cache was used."""
        if self._name is None:
            raise ConsumedCacheError("this cache was used already; fork it before its first use")
        return self._name

    def take(self) -> "AttentionCache":
        """Return the same cache; this one is used up. Raises ConsumedCacheError the second time."""
        name, self._name = self.name, None
        return AttentionCache(name)
