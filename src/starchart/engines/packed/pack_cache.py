"""The pack cache: packed models on disk, so that the next start needs no packing.

    <cache>/packs/<key>/index.json       description of the model, bounds and checksums
    <cache>/packs/<key>/slice-000.bin    the tiles of slice 0, and so on

<cache> is the folder of `starchart.own_cache`. The key is a hash of the checkpoint's files (path, size, time, header)
and of the precision. An entry is written to a temporary folder, which is renamed when it is complete: two programs may
do so at the same time, and one that is killed leaves nothing that is ever read. When all entries take more than
$STARCHART_CACHE_GB, 8 by default, the least recently used ones are removed. Where the cache cannot be read or written,
the model is packed again; nothing else fails.
"""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from starchart.files.regular_file import read_regular_file
from starchart.own_cache import own_cache_folder, own_cache_limit

_INDEX = "index.json"
_UNFINISHED = "unfinished-"
_HOUR = 60 * 60  # seconds; an unfinished entry not written to for so long was left by a program that was killed
_NAME = re.compile(r"[0-9a-f]{32}|unfinished-.*")  # of our folders: no others are ever removed
FORMAT = 2


@dataclass(frozen=True)
class PackContents:
    """What the index of a packed model says."""

    description: Mapping[str, Any]  # it identifies the model and the precision
    bounds: Mapping[str, int]  # K^2 of every matrix, by name
    lanes: Mapping[str, tuple[int, int]]  # L and b
    checksums: Mapping[str, Mapping[int, Sequence[int]]]  # layer -> slice -> the CRC-32 of each tile


@dataclass(frozen=True)
class PackCacheEntry:
    """A packed model on disk."""

    folder: Path
    contents: PackContents


class PackCache:
    """The packed models in one folder."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder / "packs"
        self.limit = limit  # bytes

    def find(self, description: Mapping[str, Any]) -> PackCacheEntry | None:
        """Return the entry with this description, or None where there is none with an undamaged index."""
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
            with suppress(OSError):  # a read-only cache can be used too
                os.utime(folder / _INDEX)  # the time of its last use
            lanes = {name: (own[0], own[1]) for name, own in contents["lanes"].items()}
            return PackCacheEntry(folder, PackContents(description, contents["bounds"], lanes, checksums))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def begin(self, size: int) -> Path:
        """Return a new temporary folder for an entry of `size` bytes. Raises OSError where there is no space."""
        if size > self.limit:
            most = in_units(self.limit)
            raise OSError(
                0, f"it has {in_units(size)}, more than the limit of {most} for all of them (STARCHART_CACHE_GB)"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise OSError(0, f"it needs {in_units(size)} of disk, and {in_units(free)} are free")
        return Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder))

    def keep(self, folder: Path, packed: PackContents) -> None:
        """Write the index of the entry in `folder`, rename it to its key, and remove old entries. Raises OSError."""
        contents, description = _plain(asdict(packed)), packed.description
        (folder / _INDEX).write_text(json.dumps({"sha256": _hash(contents), "contents": contents}), "utf-8")
        target = self.folder / _key(description)
        if self.find(description) is None:
            discard(target)
        with suppress(OSError):  # another program was faster, and its entry is the same
            folder.rename(target)
        with suppress(OSError):  # the entry is complete, also where old ones cannot be removed
            self._make_room(target)

    def packs(self) -> list[tuple[str, int, float]]:
        """Return checkpoint, bytes and time of last use of every entry, the latest first.

        Raises OSError for an entry that cannot be read.
        """
        found = [(_title(folder), _size(folder), _last_use(folder)) for folder in self._readable_folders()]
        return sorted(found, key=lambda pack: -pack[2])

    def clear(self) -> int:
        """Remove all entries; return how many bytes they had. Raises OSError for one that cannot be read or removed."""
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
        """Remove the unfinished entries of programs that were killed."""
        with suppress(OSError):
            for folder in self._folders():
                if folder.name.startswith(_UNFINISHED) and time.time() - _last_change(folder) > _HOUR:
                    discard(folder)

    def _readable_folders(self) -> list[Path]:
        """Return the folders of all entries. Raises OSError for one that cannot be read: its size is unknown."""
        folders = list(self._folders())
        for folder in folders:
            os.listdir(folder)
        return folders

    def _folders(self) -> Iterator[Path]:
        try:
            found = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        except FileNotFoundError:  # no model was ever packed
            return
        yield from [path for path in found if path.is_dir() and not path.is_symlink()]


def user_cache() -> PackCache | None:
    """Return the user's pack cache; None where its limit is 0 GB, or the user has no folder for caches.

    Raises EngineError if STARCHART_CACHE_GB is not a number of gigabytes.
    """
    folder = own_cache_folder()
    return PackCache(folder, own_cache_limit()) if folder else None


def in_units(size: int) -> str:
    """Return a number of bytes in GB, or in MB if there are fewer than 0.1 GB.

    >>> in_units(890_000_000), in_units(89_000_000)
    ('0.89 GB', '89.0 MB')
    """
    return f"{size / 1e9:.2f} GB" if size >= 10**8 else f"{size / 1e6:.1f} MB"


def widths(lanes: Mapping[str, Sequence[int]]) -> str:
    """Return how wide the lanes of a model's matrices are.

    >>> widths({"h.0.attn.c_attn": [52, 25], "lm_head": [56, 27], "h.0.mlp.c_fc": [52, 25]})
    '52 and 56 bits'
    """
    return " and ".join(map(str, sorted({own[0] for own in lanes.values()}))) + " bits"


def discard(folder: Path) -> None:
    """Remove a folder; ignore what cannot be removed."""
    shutil.rmtree(folder, ignore_errors=True)


def _plain(value: Any) -> Any:
    """Return a value as it comes back from JSON: keys are strings, tuples are lists."""
    return json.loads(json.dumps(value))


def _hash(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _key(description: Mapping[str, Any]) -> str:
    return _hash(_plain(description))[:32]


def _title(folder: Path) -> str:
    if folder.name.startswith(_UNFINISHED):
        return f"{folder.name}: unfinished"
    try:
        contents = json.loads(read_regular_file(folder / _INDEX))["contents"]
        weights = Path(contents["description"]["files"][0][0])
        model = weights if weights.suffix.lower() == ".gguf" else weights.parent  # a GGUF file is a whole model
        return f"{model} ({contents['description']['precision']}, lanes of {widths(contents['lanes'])})"
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return f"{folder.name}: damaged, or of an older version"


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
