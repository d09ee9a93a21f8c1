"""Downloads one file of the hub into the cache: continues an interrupted download, and compares the checksum.

huggingface_hub's own download starts again in every run and compares only the length. So only its connection, its lock
and its progress bar are used. The bytes received so far are kept as <checksum>.incomplete until all are there and
checked.
"""

import hashlib
import os
import time
from pathlib import Path
from typing import Any, BinaryIO

from huggingface_hub.utils import WeakFileLock, tqdm  # type: ignore[attr-defined]

from starchart.files.regular_file import open_regular_file
from starport.hub.client import open_file
from starport.hub.errors import HubError, is_of
from starport.hub.listing import HubFile, Listing
from starport.hub.snapshot import Snapshot

_ATTEMPTS = 5  # in a row without a new byte
_PAUSE = 1.0  # seconds
_BLOCK = 1 << 20


def fetch_content(listing: Listing, file: HubFile, snapshot: Snapshot) -> Path:
    """Download the content of a file, unless it is cached, and return its path in the cache.

    Raises HubError, or errors of huggingface_hub, the network and the disk. The bytes received until then are kept,
    unless they are wrong.
    """
    if snapshot.holds(file):
        return snapshot.folder / file.name
    lock = snapshot.lock(file)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if not snapshot.holds_content(file):
            _fetch(listing, file, snapshot)
    return snapshot.content(file)


def _fetch(listing: Listing, file: HubFile, snapshot: Snapshot) -> None:
    partial = snapshot.partial(file)
    partial.parent.mkdir(parents=True, exist_ok=True)
    with open(partial, "ab") as out:
        kept = _end(out)
        if kept > file.size:
            out.truncate(0)
        _fetch_rest(listing, file, out)
    if kept and _checksum(partial, file) != file.checksum:  # the bytes of an earlier run were wrong
        with open(partial, "wb") as out:
            _fetch_rest(listing, file, out)
    if _checksum(partial, file) != file.checksum:
        partial.unlink()
        raise HubError(
            f"{file.name} has another checksum than {listing.endpoint} says: it was damaged or replaced on the way",
            "it is removed; try again",
        )
    os.replace(partial, snapshot.content(file))


def _fetch_rest(listing: Listing, file: HubFile, out: BinaryIO) -> None:
    """Append the missing bytes of the file to `out`, in as many requests as necessary."""
    failures = 0
    with tqdm(  # type: ignore[no-untyped-call]
        desc=file.name, total=file.size, initial=_end(out), unit="B", unit_scale=True, leave=False, disable=None
    ) as bar:
        while (size := _end(out)) < file.size:
            try:
                with open_file(listing, file, size) as response:
                    _copy(response, file, out, bar)
            except Exception as error:
                if size and getattr(getattr(error, "response", None), "status_code", 0) == 416:
                    out.truncate(0)  # this server cannot continue from there
                elif not is_of(error, "TransportError"):
                    raise
                failures = 0 if _end(out) > size else failures + 1
                if failures >= _ATTEMPTS:
                    raise
                time.sleep(_PAUSE)
    out.flush()
    os.fsync(out.fileno())


def _copy(response: Any, file: HubFile, out: BinaryIO, bar: Any) -> None:
    """Write what the server sends: the rest of the file, or all of it. Raises HubError if the size is wrong."""
    start = _end(out) if response.status_code == 206 else 0
    _check_answer(response, file, start)
    if start < _end(out):
        out.truncate(start)
    bar.n = size = start
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > file.size:
            break
        out.write(chunk)
        bar.update(len(chunk))
    if size != file.size:
        out.truncate(start)
        raise _wrong_size(file)


def _check_answer(response: Any, file: HubFile, start: int) -> None:
    """Raise HubError if the response cannot be the file from byte `start` on."""
    headers = response.headers
    if headers.get("content-type", "").startswith("text/html"):
        advice = "check the proxy, and whether the network requires a login first"
        raise HubError(f"a web page came instead of {file.name}", advice)
    if start and not headers.get("content-range", "").startswith(f"bytes {start}-"):
        raise HubError(f"{file.name} is not sent from byte {start} on, as requested", "try again later")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) != file.size - start and "content-encoding" not in headers:
        raise _wrong_size(file)


def _wrong_size(file: HubFile) -> HubError:
    return HubError(f"{file.name} does not have the {file.size} bytes that the hub says", "try again later")


def _end(out: BinaryIO) -> int:
    return out.seek(0, os.SEEK_END)


def _checksum(path: Path, file: HubFile) -> str:
    if len(file.checksum) == 64:
        digest = hashlib.sha256()
    else:
        digest = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    with open_regular_file(path) as content:
        while block := content.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
