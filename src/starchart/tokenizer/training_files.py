"""Files around the trainer: lines of text in, vocab.json and merges.txt out."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path

from starchart.errors import VocabularyError
from starchart.files.byte_order_mark import without_byte_order_mark
from starchart.files.regular_file import open_regular_file


def read_lines(files: Iterable[str | PathLike[str]]) -> Iterator[str]:
    """Yield the lines of UTF-8 text files or pipes, as `decoded_lines` does. Raises VocabularyError with the file.

    The tokenizers library trains on files line by line; the trainer here gets the same lines. A device is refused,
    since it may never end.
    """
    for file in files:
        try:
            with open_regular_file(file, or_pipe=True) as lines:
                yield from decoded_lines(lines, str(file))
        except OSError as error:
            raise VocabularyError(f"{file}: cannot be read: {error.strerror}; give files of text") from None


def decoded_lines(lines: Iterable[bytes], source: str) -> Iterator[str]:
    """Yield the lines of a UTF-8 text, each with its line feed. A byte-order mark at the beginning is left out.

    Raises VocabularyError, which names `source`, for a line that is not UTF-8.
    """
    for number, line in enumerate(lines, 1):
        if number == 1:
            line = without_byte_order_mark(line, source, VocabularyError)
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            raise VocabularyError(f"{source}: line {number} is not UTF-8; convert it first") from None


def save_vocabulary(folder: str | PathLike[str], ids: Mapping[str, int], merges: Iterable[tuple[str, str]]) -> None:
    """Write vocab.json and merges.txt, byte for byte as the tokenizers library does.

    Both are written aside first and then renamed, so that a full disk does not damage existing files. Raises
    VocabularyError if a file cannot be written.
    """
    place = Path(folder)
    in_order = dict(sorted(ids.items(), key=lambda item: item[1]))
    contents = {
        "vocab.json": json.dumps(in_order, ensure_ascii=False, separators=(",", ":")),
        "merges.txt": "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges),
    }
    asides = {name: place / f".{name}.{os.getpid()}.part" for name in contents}
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            asides[name].write_text(content, encoding="utf-8", newline="\n")
        for name, aside in asides.items():
            aside.replace(place / name)
    except FileExistsError:
        raise VocabularyError(f"{place}: is a file; give a folder for vocab.json and merges.txt") from None
    except OSError as error:
        raise VocabularyError(f"{place}: the vocabulary cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            for aside in asides.values():
                aside.unlink(missing_ok=True)
