"""Standard input as bytes."""

import sys
from threading import Timer

from starchart.errors import TextError
from starport.console import tell

# Seconds. Where a pipe has what it is to give, nothing is said; where somebody has to write it yet, one line is.
PATIENCE = 1.0


def read_standard_input(instead: str) -> bytes:
    """Return all of it. A line on standard error says so where it does not end at once.

    Raises TextError where it is closed, with what to do `instead`, or cannot be read.
    """
    if sys.stdin is None:
        raise TextError(f"standard input is closed; {instead}")
    notice = Timer(PATIENCE, tell, [f"reading standard input until it ends; or {instead}"])
    notice.daemon = True
    notice.start()
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise TextError(f"standard input cannot be read: {error.strerror}") from None
    finally:
        notice.cancel()
