"""What the packed engine hands on instead of lists: things that are not computed yet, or that lie with the shards.

Each knows its owner, the `Names` of the engine that made it: the same number means something else to another engine.


NAMES
Names: the numbers by which the shards know what they keep for this process, and which of them nobody needs any more.

A name ends when nobody has it. The callback is `dict.__setitem__` itself and no function in Python: an interrupt in
such a function would be printed and ignored.
"""

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from starchart.errors import ConsumedCacheError, EngineError
from starchart.utils.matrix import Matrix


class Name:
    """The number of something that the shards keep, and who gave the number."""

    def __init__(self, number: int, owner: "Names") -> None:
        self.number = number
        self.owner = owner


class Names:
    """Gives names, each number once."""

    def __init__(self) -> None:
        self._numbers = count()
        self._references: dict[int, weakref.ref[Name]] = {}  # a weak reference must be held to be called back
        self._ended: dict[int, weakref.ref[Name]] = {}

    def new(self) -> Name:
        """Return a new name."""
        name = Name(next(self._numbers), self)
        self._references[name.number] = weakref.ref(name, partial(self._ended.__setitem__, name.number))
        return name

    def ended(self) -> list[int]:
        """Return the numbers whose names nobody has any more, until `forget` is told of them."""
        return list(self._ended)

    def forget(self, numbers: Iterable[int]) -> None:
        """Stop listing numbers: the shards have let go of what they stood for."""
        for number in numbers:
            self._references.pop(number, None)
            self._ended.pop(number, None)


@dataclass(frozen=True)
class PackedLayer:
    """What stands for the matrix of a linear layer, or for the head."""

    name: str
    bound: int  # on the squared norm of a group of rows of any column
    owner: Names

    @property
    def kind(self) -> str:
        """Its name without the number of the block. Layers of one kind are cut into the same slices."""
        return kind_of(self.name)


@dataclass(frozen=True)
class Deferred:
    """A linear layer, or the head, that is not computed yet."""

    x: Matrix  # [T][in]
    layer: PackedLayer

    @property
    def owner(self) -> Names:
        """The names of the engine that made it."""
        return self.layer.owner


@dataclass(frozen=True)
class Kept:
    """Vectors of which each shard keeps its part, for as long as anybody has the name."""

    name: Name
    norms: Sequence[float]  # [T]
    kind: str  # of the layer whose rows are cut as these vectors are

    @property
    def owner(self) -> Names:
        """The names of the engine that made it."""
        return self.name.owner


class AttentionCache:
    """What stands for the keys and values of one block. A value that is used once."""

    def __init__(self, name: Name) -> None:
        self._name = [name]  # until it is used
        self.owner = name.owner

    def valid_name(self) -> Name:
        """Return its name. Raises ConsumedCacheError if the cache was used."""
        try:
            return self._name[0]
        except IndexError:
            raise _used() from None

    def take(self) -> "AttentionCache":
        """Return the same cache; this one is used up. Raises ConsumedCacheError the second time."""
        try:
            name = self._name.pop()  # in one step, so that of two threads only one gets it
        except IndexError:
            raise _used() from None
        return AttentionCache(name)


def kind_of(layer: str) -> str:
    """Return the name of a layer without the number of its block.

    >>> kind_of("h.11.mlp.c_fc")
    'mlp.c_fc'
    """
    return layer.split(".", 2)[-1]


def refuse_foreign(operation: str, what: str, value: Any, owner: Names) -> None:
    """Raise EngineError for a value, a weight or a cache that another engine made, or for a weight not prepared."""
    if getattr(value, "owner", None) is not owner:
        raise EngineError(
            f"{operation}: its {what} was not made by this engine; an engine shares only lists with others"
        )


def _used() -> ConsumedCacheError:
    return ConsumedCacheError("this cache was used already; fork it before its first use")
