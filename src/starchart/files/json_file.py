"""JSON from an untrusted file: config.json, vocab.json, the header of a safetensors file.

Whatever the bytes are, the result is a dict, or one error that names the file. The caller gives the class of the error.
Python's json accepts a name twice in an object (RFC 8259, section 4, warns of it) and NaN (section 6 forbids it). Both
are refused here: if a file gives two values for one name, neither can be trusted. Text from such a file is put into a
message only by `shown`, which keeps it on one short line.
"""

import json
import os
from pathlib import Path
from reprlib import Repr
from typing import Any

from starchart.errors import StarchartError
from starchart.files.byte_order_mark import without_byte_order_mark
from starchart.files.regular_file import open_regular_file

# A value takes up to 250 bytes in memory, a character up to 8 in addition to its bytes. At both limits: 190 MB and
# 0.8 s, as measured with Python 3.12. GPT-2's tokenizer.json has 200,000 values in 3 MB; an index of 10,000 tensors
# has 10,000.
MAX_JSON_BYTES = 16_000_000
MAX_JSON_VALUES = 600_000  # brackets, braces and commas; those in strings count too

_MAX_SHOWN = 200  # characters of a value in a message
_short = Repr()
_short.maxstring = _short.maxother = 100
_short.maxlist = _short.maxdict = 6
_short.maxlevel = 3


def shown(value: object) -> str:
    """Return `value` for an error message: quoted, on one line, shortened if it is long.

    >>> shown("wte.weight"), len(shown("x" * 10**6))
    ("'wte.weight'", 100)
    """
    try:
        text = _short.repr(value)
    except ValueError:  # Python does not write out a number of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def read_json_file(path: Path, error: type[StarchartError]) -> dict[str, Any]:
    """Return the JSON object in the file at `path`, or raise `error`."""
    return parse_json_object(read_small_file(path, error), str(path), error)


def read_small_file(path: Path, error: type[StarchartError]) -> bytes:
    """Return the bytes of the text file at `path`, without a byte-order mark.

    Raises `error` if it is not a regular file, too long, or UTF-16.
    """
    try:
        with open_regular_file(path) as file:
            data = file.read(min(os.fstat(file.fileno()).st_size, MAX_JSON_BYTES) + 1)
    except OSError as fault:
        raise error(f"{path}: cannot be read: {fault.strerror}") from None
    if len(data) > MAX_JSON_BYTES:
        raise error(f"{path}: is longer than {MAX_JSON_BYTES} bytes, which no such file should be")
    return without_byte_order_mark(data, str(path), error)


def parse_json_object(data: bytes, source: str, error: type[StarchartError]) -> dict[str, Any]:
    """Return the JSON object in `data` (UTF-8), or raise `error`. `source` names the data in the message.

    >>> parse_json_object(b'{"n_layer": 12}', "config.json", StarchartError)
    {'n_layer': 12}
    """
    values = data.count(b"[") + data.count(b"{") + data.count(b",")
    if values > MAX_JSON_VALUES:
        raise error(f"{source}: has {values} brackets, braces and commas; the limit is {MAX_JSON_VALUES}")
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_int=_whole_number,
        )
    except UnicodeDecodeError as fault:
        raise error(f"{source}: is not UTF-8 text: byte {fault.start} is {data[fault.start]:#04x}") from None
    except RecursionError:
        raise error(f"{source}: its JSON is nested too deeply") from None
    except ValueError as fault:  # JSONDecodeError, a number of thousands of digits, and the two below
        raise error(f"{source}: cannot be read as JSON: {fault}") from None
    if not isinstance(value, dict):
        raise error(f"{source}: is not a JSON object but {shown(value)}")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the name {shown(twice)} appears twice")
    return values


def _whole_number(text: str) -> int | float:
    return -0.0 if text == "-0" else int(text)  # an int has no -0, a float does


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
