"""Standard input as bytes."""

import sys

from starchart.errors import TextError


def read_standard_input(instead: str) -> bytes:
    """Return all of it. Raises TextError where it is closed, with what to do `instead`, or cannot be read."""
    if sys.stdin is None:
        raise TextError(f"standard input is closed; {instead}")
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise TextError(f"standard input cannot be read: {error.strerror}") from None
