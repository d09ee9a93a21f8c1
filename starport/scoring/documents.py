"""Texts as documents: a file holds one, or several with a line <|endoftext|> between them."""

import os
import re
from collections.abc import Iterable
from stat import S_ISFIFO

from starchart.errors import TextError
from starchart.files.regular_file import open_regular_file
from starchart.tokenizer.tokenizer import END_OF_TEXT
from starport.terminal.given_text import decoded_text

# In this mode ^ and $ match at \n only: \x0b, \x85 and \u2028 do not end a line.
_SEPARATOR = re.compile(rf"^{re.escape(END_OF_TEXT)}\r?$", re.MULTILINE)


def split_documents(text: str) -> list[str]:
    r"""Return the documents of a text, stripped of surrounding white space. Empty documents are left out.

    A separator is a line that is exactly <|endoftext|>, before its \n or \r\n. With a space added it is text.

    >>> split_documents("One.\n<|endoftext|>\n\nTwo,\nstill <|endoftext|> two.\n")
    ['One.', 'Two,\nstill <|endoftext|> two.']
    """
    return [document for part in _SEPARATOR.split(text) if (document := part.strip())]


def decoded_documents(raw: bytes, name: str) -> list[str]:
    """Return the documents of UTF-8 bytes; `name` is their source. Raises TextError if there are none."""
    documents = split_documents(decoded_text(raw, name))
    if not documents:
        raise TextError(f"{name}: contains no text; give files of text")
    return documents


def read_documents(files: Iterable[str | os.PathLike[str]], or_pipes: bool = True) -> list[str]:
    """Return the documents of all files, in order. The end of a file ends a document.

    With `or_pipes` a file may be a pipe. A device is refused, since it may never end. Raises TextError, which names the
    file, for a file that is missing, of another type, unreadable, not UTF-8 or empty.
    """
    return [document for file in files for document in decoded_documents(_contents(file, or_pipes), os.fspath(file))]


def _contents(file: str | os.PathLike[str], or_pipe: bool) -> bytes:
    try:
        with open_regular_file(file, or_pipe) as opened:
            contents = opened.read()
            is_pipe = S_ISFIFO(os.fstat(opened.fileno()).st_mode)
    except OSError as error:
        raise TextError(f"{os.fspath(file)}: cannot be read: {error.strerror}; give files of text") from None
    if is_pipe and not contents:
        raise TextError(f"{os.fspath(file)}: is a pipe, and no program has written to it; give files of text")
    return contents
