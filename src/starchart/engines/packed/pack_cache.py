"""The pack cache: packed models on disk, so that the next start needs no packing.

    <cache>/packs/<key>/index.json       what was packed, bounds and checksums
    <cache>/packs/<key>/slice-000.bin    the tiles of slice 0, and so on

<cache> is the folder of `starchart.own_cache`. The key is a hash of the checkpoint's files (path, size, time,
header) and of how it is packed. A pack is written to a folder of its own and renamed when it is whole: two programs
may do so at once, and one that is killed leaves nothing that is read. Packs used longest ago go first when all of them
take more than $STARCHART_CACHE_GB, 8 by default. Whatever is wrong with the cache costs the cache and nothing else.
"""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from starchart.files.regular_file import read_regular_file
from starchart.own_cache import own_cache_folder, own_cache_limit

_INDEX = "index.json"
_UNFINISHED = "unfinished-"
_HOUR = 60 * 60  # seconds; an unfinished pack not written to for so long was left by a program that was killed
_NAME = re.compile(r"[0-9a-f]{32}|unfinished-.*")  # of our folders: nothing else is ever touched
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
            index = json.loads(read_regular_file(folder / _INDEX))
            contents = index["contents"]
            if index["sha256"] != _hash(contents) or contents["description"] != _plain(description):
                return None
            checksums = {
                name: {int(slice_): sums for slice_, sums in own.items()} for name, own in contents["checksums"].items()
            }
            self._sweep()
            with suppress(OSError):  # a cache that can only be read is a cache too
                os.utime(folder / _INDEX)  # used just now
            return Pack(folder, contents["bounds"], checksums)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def begin(self, size: int) -> Path:
        """Return a new folder for a pack of `size` bytes. Raises OSError if there can be none."""
        if size > self.limit:
            most = in_units(self.limit)
            raise OSError(0, f"it has {in_units(size)}, and STARCHART_CACHE_GB lets all of them have {most}")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise OSError(0, f"it needs {in_units(size)} of disk, and {in_units(free)} are free")
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
        if self.find(description) is None:
            discard(target)
        with suppress(OSError):  # another program was faster, and its pack is as good
            folder.rename(target)
        with suppress(OSError):  # it is kept, whether there is room to be made or not
            self._make_room(target)

    def packs(self) -> list[tuple[str, int, float]]:
        """Return checkpoint, bytes and time of last use for every pack, the latest first.

        Raises OSError for what cannot be read.
        """
        found = [(_title(folder), _size(folder), _last_use(folder)) for folder in self._readable_folders()]
        return sorted(found, key=lambda pack: -pack[2])

    def clear(self) -> int:
        """Remove all packs; return how many bytes they had. Raises OSError for what cannot be read or removed."""
        folders = self._readable_folders()
        size = sum(map(_size, folders))
        for folder in folders:
            shutil.rmtree(folder)
        return size

    def _make_room(self, newest: Path) -> None:
        folders = sorted(self._folders(), key=_last_use)
        total = sum(map(_size, folders))
        for folder in folders:
            if total > self.limit and folder != newest and not folder.name.startswith(_UNFINISHED):
                total -= _size(folder)
                discard(folder)

    def _sweep(self) -> None:
        """Remove what programs that were killed have left."""
        with suppress(OSError):
            for folder in self._folders():
                if folder.name.startswith(_UNFINISHED) and time.time() - _last_change(folder) > _HOUR:
                    discard(folder)

    def _readable_folders(self) -> list[Path]:
        """Return the folders of all packs. Raises OSError for one that cannot be read: its size would be a lie."""
        folders = list(self._folders())
        for folder in folders:
            os.listdir(folder)
        return folders

    def _folders(self) -> Iterator[Path]:
        try:
            found = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        except FileNotFoundError:  # nothing was ever packed
            return
        yield from [path for path in found if path.is_dir() and not path.is_symlink()]


def user_cache() -> PackCache | None:
    """Return the user's pack cache; None where it may have 0 GB, or the user has no folder for it.

    Raises EngineError if STARCHART_CACHE_GB is no number of gigabytes.
    """
    folder = own_cache_folder()
    return PackCache(folder, own_cache_limit()) if folder else None


def in_units(size: int) -> str:
    """Return a number of bytes in GB, or in MB if there are fewer than 0.1 GB.

    >>> in_units(890_000_000), in_units(89_000_000)
    ('0.89 GB', '89.0 MB')
    """
    return f"{size / 1e9:.2f} GB" if size >= 10**8 else f"{size / 1e6:.1f} MB"


def discard(folder: Path) -> None:
    """Remove a folder, as far as that can be done."""
    shutil.rmtree(folder, ignore_errors=True)


def _plain(value: Any) -> Any:
    """Return what JSON makes of a value: texts for keys, lists for tuples."""
    return json.loads(json.dumps(value))


def _hash(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _key(description: Mapping[str, Any]) -> str:
    return _hash(_plain(description))[:32]


def _title(folder: Path) -> str:
    if folder.name.startswith(_UNFINISHED):
        return f"{folder.name}: unfinished"
    try:
        description = json.loads(read_regular_file(folder / _INDEX))["contents"]["description"]
        weights = Path(description["files"][0][0])
        model = weights if weights.suffix.lower() == ".gguf" else weights.parent  # a GGUF file is a whole model
        return f"{model} ({description['weights'][0]} bits a lane)"
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return f"{folder.name}: damaged"


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


def _last_change(folder: Path) -> float:
    try:
        return max((path.stat().st_mtime for path in folder.iterdir()), default=folder.stat().st_mtime)
    except OSError:
        return time.time()  # it is being removed
