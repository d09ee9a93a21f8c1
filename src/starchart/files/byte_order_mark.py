"""The byte-order mark: the character U+FEFF that Windows programs write at the beginning of a text file.

It shows the encoding of the file and is not part of the text. As text, it would be a token that no model expects.
Source: The Unicode Standard, section 23.8.
"""

import codecs
import logging

from starchart.errors import StarchartError

_OTHERS = {  # the longer ones first: the mark of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_log = logging.getLogger("starchart")


def without_byte_order_mark(data: bytes, source: str, error: type[StarchartError]) -> bytes:
    r"""Return `data`, the beginning of a text, without a UTF-8 byte-order mark. A warning is logged if there was one.

    `source` names the text in messages. Raises `error` for the mark of UTF-16 or UTF-32, which are not read.

    >>> without_byte_order_mark(b"Once upon", "tale.txt", StarchartError)
    b'Once upon'
    """
    for mark, encoding in _OTHERS.items():
        if data.startswith(mark):
            raise error(f"{source}: is {encoding} text; convert it to UTF-8")
    if not data.startswith(codecs.BOM_UTF8):
        return data
    _log.warning("%s: the byte-order mark at its beginning was removed; it is not part of the text", source)
    return data[len(codecs.BOM_UTF8) :]
