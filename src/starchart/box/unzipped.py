"""The files of the box if the package itself is in a zip file, such as starchart.pyz: they are unpacked first.

Weights are read from a real file, which worker processes open again by its path. So the files go into the cache
folder, or into a temporary one where nothing can be kept. The whole folder is written aside and renamed: if several
programs start together, the first rename counts, and no file that is open changes. Files that are there already are
compared with what the zip file says of them, and written again where they differ.
"""

import atexit
import os
import shutil
import tempfile
from binascii import crc32
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from starchart.errors import StarchartError
from starchart.files.regular_file import open_regular_file, read_regular_file
from starchart.own_cache import own_cache_folder


@cache
def unzipped(folder: Path) -> Path:
    """Return a folder with the files that a zip file holds as `folder`; `folder` itself if it is in no zip file.

    The folder holds files only, no folders. Raises StarchartError where it cannot be unpacked.
    """
    archive = next((path for path in folder.parents if path.is_file()), None)
    if archive is None:
        return folder
    try:
        with open_regular_file(archive) as file, ZipFile(file) as opened:
            inside = folder.relative_to(archive).as_posix() + "/"
            entries = [entry for entry in opened.infolist() if entry.filename.startswith(inside)]
            kept = own_cache_folder()
            if kept:
                with suppress(OSError):  # it cannot be written to, or is full
                    return _unpack(opened, entries, kept / "box" / f"{folder.name}-{_key(entries)}")
            temporary = tempfile.mkdtemp(prefix="starchart-")
            atexit.register(shutil.rmtree, temporary, ignore_errors=True)
            return _unpack(opened, entries, Path(temporary))
    except (OSError, BadZipFile) as error:
        fault = getattr(error, "strerror", None) or error
        raise StarchartError(f"{archive}: {folder.name} cannot be unpacked: {fault}") from None


def _key(entries: list[ZipInfo]) -> str:
    """Return a name for these contents: every version of the zip file has a folder of its own."""
    return sha256(repr([(entry.filename, entry.file_size, entry.CRC) for entry in entries]).encode()).hexdigest()[:16]


def _unpack(archive: ZipFile, entries: list[ZipInfo], folder: Path) -> Path:
    """Return `folder`, with the entries in it as files. Raises OSError."""
    if not folder.exists():
        _place(archive, entries, folder)
    for entry in entries:
        file = folder / _name(entry)
        if not _holds(file, entry):
            _write(file, archive.read(entry))
    return folder


def _name(entry: ZipInfo) -> str:
    return entry.filename.rpartition("/")[2]


def _place(archive: ZipFile, entries: list[ZipInfo], folder: Path) -> None:
    """Write the entries into a new folder and rename it, unless another program was faster."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        for entry in entries:
            (aside / _name(entry)).write_bytes(archive.read(entry))
        with suppress(OSError):
            os.rename(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _holds(file: Path, entry: ZipInfo) -> bool:
    """Return whether the file has the bytes of the entry, as far as its length and its checksum say."""
    if not file.is_file() or file.stat().st_size != entry.file_size:
        return False
    return crc32(read_regular_file(file)) == entry.CRC


def _write(file: Path, data: bytes) -> None:
    descriptor, aside = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".part", dir=file.parent)
    try:
        with open(descriptor, "wb") as opened:
            opened.write(data)
        os.replace(aside, file)
    except BaseException:
        os.unlink(aside)
        raise
