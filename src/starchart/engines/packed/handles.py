"""What the packed engine returns instead of lists: outputs that are not computed yet, or that the shards keep.

The shards keep vectors and caches under numbers. A `Handle` holds such a number, and `Handles` lists the handles that
were garbage-collected, so that the shards can free what they keep for them. When a handle is garbage-collected, its
weak reference calls `dict.__setitem__` itself, not a function in Python: an interrupt in such a function would be
printed and ignored.

Every value has an owner, the `Handles` of the engine that made it: in another engine its number means another thing.
"""

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from starchart.engines.packed.arithmetic.lanes import Lanes
from starchart.engines.packed.slices import Channels, Layer
from starchart.errors import ConsumedCacheError, EngineError
from starchart.utils.matrix import Matrix


class Handle:
    """The number of something that the shards keep."""

    def __init__(self, number: int, owner: "Handles") -> None:
        self.number = number
        self.owner = owner


class Handles:
    """Makes handles, each with a different number, and lists those that were garbage-collected."""

    def __init__(self) -> None:
        self._numbers = count()
        self._references: dict[int, weakref.ref[Handle]] = {}  # a weak reference must be held to be called back
        self._dead: dict[int, weakref.ref[Handle]] = {}

    def new(self) -> Handle:
        """Return a new handle."""
        handle = Handle(next(self._numbers), self)
        self._references[handle.number] = weakref.ref(handle, partial(self._dead.__setitem__, handle.number))
        return handle

    def dead(self) -> list[int]:
        """Return the numbers of the handles that were garbage-collected and are not forgotten yet."""
        return list(self._dead)

    def forget(self, numbers: Iterable[int]) -> None:
        """Stop listing these numbers: the shards have freed what they kept under them."""
        for number in numbers:
            self._references.pop(number, None)
            self._dead.pop(number, None)


@dataclass(frozen=True)
class PackedLayer:
    """Takes the place of the matrix of a linear layer or of the output projection. The shards have the matrix."""

    layer: Layer
    bound: int  # K^2, on the squared norm of a group of rows of any column
    lanes: Lanes
    owner: Handles

    @property
    def name(self) -> str:
        """The name of the layer."""
        return self.layer.name


@dataclass(frozen=True)
class Deferred:
    """The output of a linear layer or of the output projection, not computed yet."""

    x: Matrix  # [T][in]
    weight: PackedLayer

    @property
    def owner(self) -> Handles:
        """The handles of the engine that made it."""
        return self.weight.owner

    def is_cut_by(self, channels: Channels) -> bool:
        """Return whether the columns of the layer are cut by these channels."""
        return self.weight.layer.channels is channels


@dataclass(frozen=True)
class KeptVectors:
    """Vectors [T][in] of which each shard keeps its own channels, until the handle is garbage-collected."""

    handle: Handle
    norms: Sequence[Sequence[float]]  # [T][groups]
    channels: Channels

    @property
    def owner(self) -> Handles:
        """The handles of the engine that made it."""
        return self.handle.owner


class CacheHandle:
    """The keys and values of one block, which the shards keep. It can be used once."""

    def __init__(self, handle: Handle) -> None:
        self._handle = [handle]  # empty after the use
        self.owner = handle.owner

    def valid(self) -> Handle:
        """Return its handle. Raises ConsumedCacheError if the cache was used."""
        try:
            return self._handle[0]
        except IndexError:
            raise _used() from None

    def take(self) -> "CacheHandle":
        """Use it, and return a new handle to the same cache. Raises ConsumedCacheError the second time."""
        try:
            handle = self._handle.pop()  # in one step, so that of two threads only one gets it
        except IndexError:
            raise _used() from None
        return CacheHandle(handle)


def refuse_foreign(operation: str, what: str, value: Any, owner: Handles) -> None:
    """Raise EngineError for a value, a weight or a cache of another engine, or for a weight that is not prepared."""
    if getattr(value, "owner", None) is not owner:
        raise EngineError(
            f"{operation}: its {what} was not made by this engine; from another engine it takes only lists"
        )


def _used() -> ConsumedCacheError:
    return ConsumedCacheError("this cache was used already; fork it before its first use")
