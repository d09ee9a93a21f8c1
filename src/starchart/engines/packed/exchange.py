"""Exchange: a request to a worker and its answer. An interrupt at any moment leaves it unfinished, but never lost.

Python raises KeyboardInterrupt between two of its own steps: after a write, for example, and before the number of bytes
written is stored. So a write is stored by the same call of C that makes it, and so is a read: `list.extend(map(...))`.
What is stored says how far the exchange came, and whoever calls `answer` again goes on from there.
"""

from collections.abc import Callable
from io import FileIO

_HEADER = 8  # bytes that an answer begins with: how long the rest is
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
        """Send what is not sent yet. Raises OSError where the worker has ended."""
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
    """Return the parts of an answer as a worker writes it."""
    return [len(answer).to_bytes(_HEADER, "little"), answer]
