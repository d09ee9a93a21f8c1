r"""The pack cache: packed models on disk, so that the next start needs no packing.

    <cache>/packs/<key>/index.json       what was packed, bounds and checksums
    <cache>/packs/<key>/slice-000.bin    the tiles of slice 0, and so on

<cache> is $STARCHART_CACHE, else the user's cache folder: ~/.cache/starchart ($XDG_CACHE_HOME), ~/Library/Caches/
starchart on macOS, %LOCALAPPDATA%\starchart on Windows. The key is a hash of the checkpoint's files (path, size, time,
header) and of how it is packed. A pack is written to a folder of its own and renamed when it is whole: two programs
may do so at once, and one that is killed leaves nothing that is read. Packs used longest ago go first when all of them
take more than $STARCHART_CACHE_GB, 8 by default. Whatever is wrong with the cache costs the cache and nothing else.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

_INDEX = "index.json"
_UNFINISHED = "unfinished-"
_DEFAULT_LIMIT = 8.0  # GB
_DAY = 24 * 60 * 60  # seconds; a pack that is unfinished for so long was left by a program that was killed
FORMAT = 1


@dataclass(frozen=True)
class Pack:
    """A packed model on disk. `checksums`: name -> slice -> of its tiles."""

    folder: Path
    bounds: Mapping[str, int]
    checksums: Mapping[str, Mapping[int, Sequence[int]]]


class PackCache:
    """The packs in one folder."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder / "packs"
        self.limit = limit  # bytes

    def find(self, description: Mapping[str, Any]) -> Pack | None:
        """Return the pack of what is described, if there is one that is whole as far as its index says."""
        folder = self.folder / _key(description)
        try:
            text = (folder / _INDEX).read_text("utf-8")
            index = json.loads(text)
            contents = index["contents"]
            if index["sha256"] != _hash(contents) or contents["description"] != _plain(description):
                return None
            checksums = {
                name: {int(slice_): sums for slice_, sums in own.items()} for name, own in contents["checksums"].items()
            }
            os.utime(folder / _INDEX)  # used just now
            return Pack(folder, contents["bounds"], checksums)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def begin(self, size: int) -> Path:
        """Return a new folder for a pack of `size` bytes. Raises OSError if there can be none."""
        if size > self.limit:
            raise OSError(0, f"the pack of {size / 1e9:.1f} GB is larger than all packs may be, {self.limit / 1e9:.1f}")
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise OSError(0, f"the pack needs {size / 1e9:.1f} GB of disk, and {free / 1e9:.1f} GB are free")
        return Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder))

    def keep(
        self,
        folder: Path,
        description: Mapping[str, Any],
        bounds: Mapping[str, int],
        checksums: Mapping[str, Mapping[int, Sequence[int]]],
    ) -> None:
        """Give the pack in `folder` its index and its name, then make room for it. Raises OSError."""
        contents = _plain({"description": description, "bounds": bounds, "checksums": checksums})
        (folder / _INDEX).write_text(json.dumps({"sha256": _hash(contents), "contents": contents}), "utf-8")
        target = self.folder / _key(description)
        discard(target)
        try:
            folder.rename(target)
        except OSError:  # another program was faster: its pack is as good
            discard(folder)
        self._make_room(target)

    def packs(self) -> list[tuple[str, int, float]]:
        """Return checkpoint, bytes and time of last use for every pack, the latest first."""
        found = [(_title(folder), _size(folder), _last_use(folder)) for folder in self._folders()]
        return sorted(found, key=lambda pack: -pack[2])

    def clear(self) -> int:
        """Remove all packs; return how many bytes they had. Raises OSError for one that cannot be removed."""
        size = sum(map(_size, self._folders()))
        if self.folder.exists():
            shutil.rmtree(self.folder)
        return size

    def _make_room(self, newest: Path) -> None:
        folders = sorted(self._folders(), key=_last_use)
        total = sum(map(_size, folders))
        for folder in folders:
            unfinished = folder.name.startswith(_UNFINISHED)
            if unfinished and time.time() - _last_use(folder) < _DAY:
                continue
            if unfinished or (total > self.limit and folder != newest):
                total -= _size(folder)
                discard(folder)

    def _folders(self) -> Iterator[Path]:
        try:
            yield from [path for path in self.folder.iterdir() if path.is_dir() and not path.is_symlink()]
        except OSError:
            return


def user_cache() -> PackCache | None:
    """Return the user's pack cache, or None where a user has no folder for it."""
    try:
        limit = int(float(os.environ.get("STARCHART_CACHE_GB", _DEFAULT_LIMIT)) * 1e9)
    except (ValueError, OverflowError):
        limit = int(_DEFAULT_LIMIT * 1e9)
    try:
        return PackCache(Path(os.environ.get("STARCHART_CACHE") or _cache_home() / "starchart"), limit)
    except RuntimeError:  # there is no home folder
        return None


def discard(folder: Path) -> None:
    """Remove a folder, as far as that can be done."""
    shutil.rmtree(folder, ignore_errors=True)


def _cache_home() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _plain(value: Any) -> Any:
    """Return what JSON makes of a value: texts for keys, lists for tuples."""
    return json.loads(json.dumps(value))


def _hash(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _key(description: Mapping[str, Any]) -> str:
    return _hash(_plain(description))[:32]


def _title(folder: Path) -> str:
    try:
        description = json.loads((folder / _INDEX).read_text("utf-8"))["contents"]["description"]
        return f"{Path(description['files'][0][0]).parent} ({description['weights'][0]} bits a lane)"
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return f"{folder.name} (unfinished)"


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except OSError:
        return 0


def _last_use(folder: Path) -> float:
    for path in (folder / _INDEX, folder):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0
