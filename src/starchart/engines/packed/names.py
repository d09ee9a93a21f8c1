"""Names: the numbers by which the shards know what they keep for this process, and which of them nobody needs any more.

A name ends when nobody has it. The callback is `dict.__setitem__` itself and no function in Python: an interrupt in
such a function would be printed and ignored.
"""

import weakref
from collections.abc import Iterable
from functools import partial
from itertools import count


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
