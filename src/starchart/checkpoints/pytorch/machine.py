"""A pickle is a program for a stack machine. This is the machine: program, stack and memo. `unpickler` has its opcodes.

The time and memory that a program can take are limited by its own length. The size of every argument is compared with
what is left of the program; no opcode copies a value; only short strings and small numbers are hashed or compared; and
no function walks through nested values. So deep nesting, cycles, and one value referred to a thousand times do no harm.
"""

from typing import Any

from starchart.checkpoints.pytorch.symbols import Storage
from starchart.errors import CheckpointError

MAX_PICKLE_BYTES = 4_000_000  # gpt2-xl, with what an optimizer keeps, takes a tenth
MAX_OPCODES = 250_000  # the same: a third


class Machine:
    """A program, which starts at byte `at` of `data`, and its values. `source` names the file in CheckpointError."""

    def __init__(self, data: bytes, at: int, source: str) -> None:
        self.data, self.at, self.source = data, at, source
        self.stack: list[Any] = []  # since the last mark
        self.below: list[list[Any]] = []  # the stack before each mark
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def error(self, words: str) -> CheckpointError:
        """Return an error with these words and the position in the program."""
        return CheckpointError(f"{self.source}: its pickle, up to byte {self.at}, {words}")

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes of the program."""
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            longest = f" or is longer than {MAX_PICKLE_BYTES} bytes" if len(self.data) >= MAX_PICKLE_BYTES else ""
            raise self.error(f"is cut off: {count} bytes should follow{longest}; fetch the file again")
        self.at += count
        return taken

    def take_number(self, size: int) -> int:
        """Return the next `size` bytes as an unsigned little-endian number."""
        return int.from_bytes(self.take(size), "little")

    def take_string(self, size: int) -> str:
        """Return a string, which comes after its length in `size` bytes."""
        raw = self.take(self.take_number(size))
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self.error("holds a string that is not UTF-8") from None

    def take_line(self, longest: int = 200) -> str:
        """Return a short string, up to the end of the line."""
        end = self.data.find(b"\n", self.at, self.at + longest)
        line = self.take(longest if end < 0 else end - self.at + 1)
        if end < 0 or not line.isascii():
            raise self.error("has a name that is not ASCII, or is too long")
        return line[:-1].decode()

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self) -> Any:
        """Remove the last value from the stack and return it."""
        if not self.stack:
            raise self.error("takes a value off an empty stack")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        """Return the last value on the stack, which must have this type."""
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise self.error(f"adds to a {kind.__name__} that is not there")
        return self.stack[-1]

    def mark(self) -> None:
        """Put a mark on the stack."""
        self.below.append(self.stack)
        self.stack = []

    def pop_to_mark(self) -> list[Any]:
        """Remove the last mark and all values after it from the stack; return the values."""
        if not self.below:
            raise self.error("looks for a mark that is not there")
        values, self.stack = self.stack, self.below.pop()
        return values
