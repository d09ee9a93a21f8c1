"""The weights of a model as its file has them, by name; a few are kept, so that a second look is quick."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from starchart.checkpoints.stored_tensor import StoredTensor, read_rows, read_vector
from starchart.utils.matrix import Vector

_MOST_BYTES = 64 << 20  # kept of all matrices together
_LARGE = 4 << 20  # numbers: a larger table is read row by row


class StoredWeights(Mapping[str, Any]):
    """Matrices [rows][columns] and vectors, read when they are asked for."""

    def __init__(self, tensors: Mapping[str, StoredTensor]) -> None:
        self.tensors = tensors
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def __getitem__(self, name: str) -> Any:
        if name not in self._kept:
            self._kept[name] = _opened(self.tensors[name])
        self._kept.move_to_end(name)
        while len(self._kept) > 1 and sum(map(self._bytes, self._kept)) > _MOST_BYTES:
            self._kept.popitem(last=False)
        return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def _bytes(self, name: str) -> int:
        return 0 if isinstance(self._kept[name], _Rows) else 8 * self.tensors[name].count


class _Rows(Sequence[Any]):
    """A large table: one row is read each time."""

    def __init__(self, tensor: StoredTensor) -> None:
        self._tensor = tensor

    def __len__(self) -> int:
        return self._tensor.shape[0]

    @overload
    def __getitem__(self, place: int) -> Vector: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Vector]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            return read_rows(self._tensor, start, max(start, stop))[::step]
        if not 0 <= place < len(self):
            raise IndexError(place)
        return read_rows(self._tensor, place, place + 1)[0]


def _opened(tensor: StoredTensor) -> Any:
    if len(tensor.shape) == 1:
        return read_vector(tensor)
    return _Rows(tensor) if tensor.count > _LARGE and not tensor.transposed else read_rows(tensor)
