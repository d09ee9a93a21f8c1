"""Text that the user gives: on standard input, as an argument, or in a file."""

import os
import sys
from threading import Timer

from starchart.errors import TextError
from starchart.files.byte_order_mark import without_byte_order_mark
from starport.terminal.console import tell

PATIENCE = 1.0  # seconds to wait for the end of standard input before a line says that it is being read


def read_standard_input(instead: str) -> bytes:
    """Return all bytes of standard input. If they take longer than PATIENCE, a line on standard error says so.

    `instead` is the advice in messages: another way to give the text. Raises TextError where standard input is closed
    or cannot be read.
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


def decoded_text(raw: bytes, name: str) -> str:
    """Return UTF-8 bytes of a file or of standard input as text, without a byte-order mark.

    `name` is the source, for messages. Raises TextError if the bytes are not UTF-8.
    """
    text = without_byte_order_mark(raw, name, TextError)
    return _decoded(text, name, len(raw) - len(text))


def argument_text(argument: str, name: str) -> str:
    """Return an argument unchanged. Raises TextError if its bytes were not UTF-8: Python keeps those as surrogates."""
    return _decoded(os.fsencode(argument), name, 0)


def _decoded(text: bytes, name: str, left_out: int) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line, at = text.count(b"\n", 0, error.start) + 1, error.start + left_out
        fault = f"byte {at} is {text[error.start]:#04x}"
        raise TextError(f"{name}: line {line} is not UTF-8: {fault}; convert it first") from None
