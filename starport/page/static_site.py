"""The static site: the page, the source of the engine with towel, and Pyodide, which runs it in the browser.

The folder is written aside and renamed. Its page knows from site.json that there is no server to ask. site.json also
lists the files: a folder is replaced only if nothing else is in it.
"""

import errno
import json
import os
import shutil
from hashlib import sha256
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from starchart.errors import StarchartError
from starchart.files.json_file import read_json_file
from starport.page.pyodide import ADDRESS, INTEGRITY, LOCK, SIZES, pyodide_files
from starport.page.web_files import source_archive, web_files

MARK = "site.json"  # a folder without it is not a site of ours, and is not replaced
SOURCE = "starchart.zip"
_WORKER = "service_worker.js"
_INDEX = "index.html"


def static_files(prompt: str, pyodide: str | None) -> dict[str, bytes]:
    """Return the files of the site by their paths; its page opens with `prompt`.

    `pyodide` is a folder, an address, or None for the usual address.

    Raises StarchartError for a folder without the files of the pinned version.
    """
    held = web_files()
    held[SOURCE] = source_archive()
    address = ADDRESS
    if pyodide is not None and _is_address(pyodide):
        address = pyodide if pyodide.endswith("/") else f"{pyodide}/"
    elif pyodide is not None:
        address = "./pyodide/"
        held |= {f"pyodide/{name}": data for name, data in pyodide_files(pyodide).items()}
    site = {
        "prompt": prompt,
        "source": SOURCE,
        "source_bytes": len(held[SOURCE]),
        "pyodide": address,
        "integrity": INTEGRITY,
        "bytes": SIZES,
        "lock": LOCK,
        "files": ["./", *sorted({*held} - {_WORKER, _INDEX}), MARK],
    }
    # Of another version the service worker keeps all files anew: site.json, with the prompt, is one of them.
    said = [json.dumps(site).encode(), *(data for _, data in sorted(held.items()))]
    version = sha256(b"".join(sha256(data).digest() for data in said)).hexdigest()[:16]
    held[MARK] = json.dumps({**site, "version": version}, indent=1).encode() + b"\n"
    held[_WORKER] = held[_WORKER].replace(b'"VERSION"', f'"{version}"'.encode())
    return held


def write_site(out: str, prompt: str, pyodide: str | None) -> int:
    """Write the site into the folder `out` and return its bytes. What is there is replaced only if all of it is a site.

    Raises StarchartError where that cannot be done; then the folder is as it was.
    """
    folder = Path(os.path.abspath(out))
    if fault := refusal(out):
        raise StarchartError(f"--out {out or repr(out)}: {fault}")
    files = static_files(prompt, pyodide)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        try:
            _write(aside, files)
            _swap(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise StarchartError(f"--out {out}: cannot be written: {error.strerror}; choose another folder") from None
    return sum(map(len, files.values()))


def refusal(out: str) -> str:
    """Return why no site can be written there; "" if it can, as far as one can tell before."""
    folder = Path(os.path.abspath(out))
    if not out:
        return "this is empty; give the path of a folder"
    if Path("/dev") in folder.resolve().parents:
        return "/dev is for devices; give a folder in another place"
    if folder.is_symlink():
        return "this is a link; give the path of a folder itself"
    if folder.exists() and not folder.is_dir():
        return "this is not a folder; give the path of a new folder"
    if not folder.parent.is_dir():
        return f"there is no folder {folder.parent}; make it first"
    if folder.is_dir() and (other := _other_file(folder)):
        return f"this has other files in it, such as {other}; move them, or give the path of a new folder"
    if folder.is_dir() and os.path.samefile(folder, os.getcwd()):
        return "this is the folder that you are in; go to another one first"
    return ""


def _other_file(folder: Path) -> str:
    """Return the path of something in a folder that a site written here has not; "" if there is nothing."""
    written = _written_files(folder / MARK)
    folders = {str(parent) for file in written for parent in PurePosixPath(file).parents}
    try:
        for place, subfolders, files in os.walk(folder, onerror=_raise):
            for name, known in [*((name, folders) for name in subfolders), *((name, written) for name in files)]:
                path = Path(place, name)
                if (shown := path.relative_to(folder).as_posix()) not in known or path.is_symlink():
                    return shown
    except OSError as error:
        return f"{error.filename} ({error.strerror})"
    return ""


def _raise(error: OSError) -> None:
    raise error


def _written_files(mark: Path) -> set[str]:
    """Return the paths of the files of a site by its site.json; none where that is not one of ours."""
    try:
        site = read_json_file(mark, StarchartError)
    except StarchartError:
        return set()
    files = site.get("files")
    if site.get("source") != SOURCE or "version" not in site or not isinstance(files, list):
        return set()
    return {_INDEX, _WORKER, *(file for file in files if isinstance(file, str))}


def _write(folder: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # left by a killed process with the same process id
    folder.mkdir()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def _swap(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`, which may not exist."""
    if not folder.exists():
        new.rename(folder)
        return
    old = new.with_suffix(".old")
    folder.rename(old)
    try:
        if other := _other_file(old):  # put there since `refusal` looked
            raise OSError(errno.ENOTEMPTY, f"{other} is not of the site")
        new.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _is_address(pyodide: str) -> bool:
    """Return whether this is an address, not a folder. Raises StarchartError for one that browsers cannot fetch."""
    if "://" not in pyodide:
        return False
    try:
        parts = urlsplit(pyodide)
        is_known = parts.scheme in ("http", "https") and bool(parts.netloc)
    except ValueError:  # http://[
        is_known = False
    if not is_known:
        raise StarchartError(f"--pyodide {pyodide}: give an address that begins with https:// or http://, or a folder")
    return True
