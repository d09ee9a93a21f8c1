"""A folder that is there when it is complete, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starchart.errors import PortingError
from starport.conversion.destination import folder_aside, refuse_too_little_room
from starport.terminal.signals import interrupts_held_back


def checked_new_folder(name: str) -> Path:
    """Return the folder of --out. Raises PortingError unless it is empty, or is not there and can be made."""
    if not name:
        raise PortingError("--out is empty; give the folder to write to")
    path = Path(os.path.realpath(name))
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    if not there.is_dir():
        raise PortingError(f"--out {name}: {there} is not a folder; choose another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PortingError(f"--out {name}: {there} cannot be written to; choose another place")
    if there == path and any(path.iterdir()):
        raise PortingError(f"--out {name}: is not empty, and nothing is overwritten; choose another folder")
    return path


@contextmanager
def new_folder(path: Path, size: int, last: str) -> Iterator[Path]:
    """Yield a temporary folder on the same disk, which becomes `path` at the end of the block.

    If `path` is there already, which must be empty, the files are moved into it, that called `last` last.
    If the block fails, nothing is left. `size` is how many bytes will be needed, at least. Raises PortingError if the
    system cannot write, ConversionError for too little room.
    """
    try:
        with folder_aside(path, "golden") as aside:
            refuse_too_little_room(aside, size, path)
            yield aside
            with interrupts_held_back():
                _move(aside, path, last)
    except OSError as error:
        fault = error.strerror or str(error)
        raise PortingError(f"--out {path}: cannot be written: {fault}; choose another place") from None


def _move(aside: Path, path: Path, last: str) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.rename(path)
        return
    for file in sorted(aside.iterdir(), key=lambda file: file.name == last):
        file.rename(path / file.name)
