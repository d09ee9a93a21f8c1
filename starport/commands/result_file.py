"""A file that a command writes: it is there whole or not at all."""

import os
from pathlib import Path

from starchart.errors import TextError


def check_destination(file: str | None, option: str) -> None:
    """Raise TextError if the file of an option cannot be written: now, not after minutes of work."""
    if file is None or file == "-":
        return
    folder = os.path.dirname(file) or "."
    if not file or os.path.isdir(file) or not os.path.isdir(folder):
        raise TextError(f"{option} {file}: this is not a file in an existing folder; give the path of a file, or -")
    if not os.access(file if os.path.exists(file) else folder, os.W_OK):
        raise TextError(f"{option} {file}: cannot be written; give another path")


def write_result(file: str, text: str) -> None:
    """Write a text and a line feed to a file; "-" is standard output. Raises OSError."""
    if file == "-":
        print(text)
        return
    if os.path.exists(file) and not os.path.isfile(file):  # a pipe or a device: write to it, do not replace it
        Path(file).write_text(text + "\n", encoding="utf-8")
        return
    unfinished = Path(f"{file}.unfinished")
    try:
        unfinished.write_text(text + "\n", encoding="utf-8")
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
