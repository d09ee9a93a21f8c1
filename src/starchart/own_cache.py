r"""Where files are kept for the next start: $STARCHART_CACHE, else a folder in the user's cache folder.

That is ~/.cache/starchart ($XDG_CACHE_HOME), ~/Library/Caches/starchart on macOS, %LOCALAPPDATA%\starchart on Windows.
"""

import os
import sys
from pathlib import Path

from starchart.errors import EngineError

_DEFAULT_LIMIT = 8.0  # GB


def own_cache_folder() -> Path | None:
    """Return the folder, which may not exist yet; None where nothing may be kept, or the user has no home folder.

    Raises EngineError as `own_cache_limit` does.
    """
    if not own_cache_limit():
        return None
    try:
        return Path(os.environ.get("STARCHART_CACHE") or _cache_home() / "starchart").absolute()
    except RuntimeError:  # there is no home folder
        return None


def own_cache_limit() -> int:
    """Return how many bytes may be kept: $STARCHART_CACHE_GB, 8 GB by default, 0 for none.

    Raises EngineError if STARCHART_CACHE_GB is not a number of gigabytes.
    """
    text = os.environ.get("STARCHART_CACHE_GB") or str(_DEFAULT_LIMIT)
    try:
        limit = int(float(text) * 1e9)
    except (ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise EngineError(f"STARCHART_CACHE_GB is {text[:40]!r}; it must be a number of gigabytes, 0 for no cache")
    return limit


def _cache_home() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
