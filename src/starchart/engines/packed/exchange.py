"""An exchange is a request to a worker and its answer. After an interrupt at any moment it can be continued.

Python raises KeyboardInterrupt between two of its own steps: after a write, for example, and before the number of bytes
written is stored. So one call into C writes and stores the number, and another reads and stores the bytes:
`list.extend(map(...))`. The stored values say how far the exchange is, and the next call of `answer` continues there.
"""

from collections.abc import Callable
from io import FileIO

_HEADER = 8  # bytes at the start of an answer: the length of the rest
_PIECE = 1 << 16  # bytes read at once, as many as a pipe holds on Linux


class Exchange:
    """A request and its answer, over unbuffered pipes to and from a worker that waits for a request."""

    def __init__(self, requests: FileIO, answers: FileIO, request: bytes) -> None:
        self._write: Callable[[memoryview], int] = requests.write
        self._read: Callable[[int], bytes] = answers.read
        self._request = memoryview(request)
        self._written: list[int] = []  # bytes, by write
        self._header: list[bytes] = []
        self._body: list[bytes] = []

    def send(self) -> None:
        """Send the rest of the request. Raises OSError where the worker has ended."""
        while (done := sum(self._written)) < len(self._request):
            self._written.extend(map(self._write, (self._request[done:],)))

    def answer(self) -> bytes:
        """Return the answer, the same each time. Raises EOFError or OSError where the worker has ended."""
        self.send()
        length = int.from_bytes(self._fill(self._header, _HEADER), "little")
        return self._fill(self._body, length)

    def _fill(self, pieces: list[bytes], size: int) -> bytes:
        while (left := size - sum(map(len, pieces))) > 0:
            pieces.extend(map(self._read, (min(left, _PIECE),)))
            if not pieces[-1]:
                raise EOFError
        return b"".join(pieces)


def framed(answer: bytes) -> list[bytes]:
    """Return the parts of an answer in the form that a worker writes."""
    return [len(answer).to_bytes(_HEADER, "little"), answer]
