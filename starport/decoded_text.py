"""Text from bytes that a person gave: a file, standard input, an argument."""

from starchart.byte_order_mark import without_byte_order_mark
from starchart.errors import TextError


def decoded_text(raw: bytes, name: str) -> str:
    """Return the text that `raw` spells in UTF-8, without a byte-order mark. `name` says in messages whose it is.

    Raises TextError for another encoding.
    """
    text = without_byte_order_mark(raw, name, TextError)
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        at = error.start + len(raw) - len(text)
        raise TextError(f"{name}: line {line} is not UTF-8: byte {at} is {raw[at]:#04x}; convert it first") from None
