"""What was said on this machine before, so that a long line need not be said with every command."""

from contextlib import suppress
from pathlib import Path

from starchart.engines.packed.pack_cache import user_cache
from starchart.errors import EngineError


def said_before(topic: str, line: str) -> bool:
    """Return whether the last line about `topic` was this one, and remember it, in a file of starchart's cache folder.

    Where there is no such folder, or nothing can be written there, every line is new.
    """
    with suppress(EngineError, OSError, UnicodeDecodeError):
        if not (cache := user_cache()):
            return False
        file = Path(cache.folder.parent, f"said-about-{topic}.txt")
        if file.is_file():
            if file.read_text("utf-8") == line:
                return True
        elif file.exists():  # a pipe or a device, which may block
            return False
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(line, "utf-8")
    return False
