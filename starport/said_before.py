"""What was said on this machine before, so that a long line need not be said with every command."""

from contextlib import suppress

from starchart.errors import EngineError
from starchart.files.regular_file import read_regular_file, what_is_there
from starchart.own_cache import own_cache_folder


def said_before(topic: str, line: str) -> bool:
    """Return whether the last line about `topic` was this one, and remember it, in a file of starchart's cache folder.

    Where there is no such folder, or nothing can be written there, every line is new.
    """
    with suppress(EngineError, OSError):
        if folder := own_cache_folder():
            file = folder / f"said-about-{topic}.txt"
            if file.is_file() and read_regular_file(file) == line.encode():
                return True
            if not what_is_there(file):
                folder.mkdir(parents=True, exist_ok=True)
                file.write_bytes(line.encode())
    return False
