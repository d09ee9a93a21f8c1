"""A value of a run, kept in one array: 8 bytes a number, where nested lists take 32."""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, overload


class KeptValue(Sequence[Any]):
    """A value of any shape that reads like nested lists: rows are arrays of floats, made when they are asked for."""

    def __init__(self, numbers: "array[float]", shape: tuple[int, ...], start: int = 0) -> None:
        self.numbers = numbers
        self.shape = shape
        self._start = start
        self._step = 1
        for size in shape[1:]:
            self._step *= size

    def __len__(self) -> int:
        return self.shape[0]

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        first = self._start + place % len(self) * self._step
        if len(self.shape) == 1:
            return self.numbers[first]
        if len(self.shape) == 2:
            return self.numbers[first : first + self._step]
        return KeptValue(self.numbers, self.shape[1:], first)

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))


def keep(value: Any) -> KeptValue:
    """Return nested lists of floats as one array.

    >>> kept = keep([[[1.0, 2.0]], [[3.0, 4.0]]])
    >>> kept.shape, kept[1][0][1]
    ((2, 1, 2), 4.0)
    """
    shape = []
    part = value
    while hasattr(part, "__len__"):
        shape.append(len(part))
        part = part[0]
    numbers = array("d")
    _append(numbers, value, len(shape))
    return KeptValue(numbers, tuple(shape))


def _append(numbers: "array[float]", value: Any, rank: int) -> None:
    if rank == 1:
        numbers.extend(value)
    else:
        for part in value:
            _append(numbers, part, rank - 1)
