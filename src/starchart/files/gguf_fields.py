"""The fields at the head of a GGUF file, one after another, none of which is believed before it is checked.

    number     little-endian, 1 to 8 bytes
    text       u64 length in bytes; UTF-8

Nothing says how long the head is, so every length is held against the size of the file, and against what a GPT-2 can
need, before anything is read. Source: ggml, docs/gguf.md, section "File Structure".
"""

import struct
from typing import BinaryIO

from starchart.errors import StarchartError

MAX_HEAD_BYTES = 1 << 25  # 32 MB; the head of gpt2 has 2 MB, nearly all of it the vocabulary
MAX_TEXT_BYTES = 1 << 20


class GGUFFields:
    """Reads fields from the beginning of an open file of `size` bytes. No read reaches past its end.

    `error` is what is raised; its messages begin with `source`, the name of the file.
    """

    def __init__(self, file: BinaryIO, size: int, source: str, error: type[StarchartError]) -> None:
        self.size = size
        self.position = 0
        self._file = file
        self._source = source
        self._error = error

    def refusal(self, fault: str) -> StarchartError:
        """Return the error that says what is wrong with the file."""
        return self._error(f"{self._source}: {fault}")

    def take(self, count: int, what: str) -> bytes:
        """Return the next `count` bytes. `what` they are stands in the message if they are not there."""
        left = self.size - self.position
        if count > left:
            raise self.refusal(f"{what} takes {count} bytes, but the file ends after {left}; fetch it again")
        if self.position + count > MAX_HEAD_BYTES:
            raise self.refusal(f"{what} reaches past the first {MAX_HEAD_BYTES} bytes; no GPT-2 has so long a head")
        data = self._file.read(count)
        if len(data) != count:
            raise self.refusal(f"has become shorter while it was read; {what} is missing; fetch it again")
        self.position += count
        return data

    def number(self, code: str, what: str) -> float:
        """Return a number, of the kind that `code` is in the module struct."""
        value: float = struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}"), what))[0]
        return value

    def count(self, size: int, what: str) -> int:
        """Return a whole number of at least 0, `size` bytes long."""
        return int.from_bytes(self.take(size, what), "little")

    def text(self, what: str) -> str:
        """Return a text."""
        data = self.text_bytes(what)
        try:
            return data.decode()
        except UnicodeDecodeError as fault:
            raise self.refusal(f"{what} is not UTF-8 text: byte {fault.start} is {data[fault.start]:#04x}") from None

    def text_bytes(self, what: str) -> bytes:
        """Return the bytes of a text, of any kind."""
        length = self.count(8, what)
        if length > MAX_TEXT_BYTES:
            raise self.refusal(f"{what} says it is {length} bytes long; the limit for a text is {MAX_TEXT_BYTES}")
        return self.take(length, what)
