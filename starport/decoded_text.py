"""Text from bytes that a person gave: a file, standard input, an argument."""

import os

from starchart.errors import TextError
from starchart.files.byte_order_mark import without_byte_order_mark


def decoded_text(raw: bytes, name: str) -> str:
    """Return the text that a file or standard input spells in UTF-8, without a byte-order mark.

    `name` says in messages whose it is. Raises TextError for another encoding.
    """
    text = without_byte_order_mark(raw, name, TextError)
    return _decoded(text, name, len(raw) - len(text))


def argument_text(argument: str, name: str) -> str:
    """Return an argument as it is. Raises TextError if its bytes were not UTF-8, which Python hides in surrogates."""
    return _decoded(os.fsencode(argument), name, 0)


def _decoded(text: bytes, name: str, left_out: int) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line, at = text.count(b"\n", 0, error.start) + 1, error.start + left_out
        fault = f"byte {at} is {text[error.start]:#04x}"
        raise TextError(f"{name}: line {line} is not UTF-8: {fault}; convert it first") from None
