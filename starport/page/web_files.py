"""The files of the page, and the source of the engine: read from the running package, be it a folder or a zip file."""

import pkgutil
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from starport.guide.chapters import IN_A_CLONE, guide_files, pictures

CONTENT_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "svg": "image/svg+xml; charset=utf-8",
}
_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can say
_LEFT_OUT = ("__pycache__", ".pyc", "README.md", "py.typed")


def web_files() -> dict[str, bytes]:
    """Return the files of the page by their paths in it: index.html, js/main.js, ..."""
    held = {name.removeprefix("web/"): data for name, data in _package_files("starport.page", "web")}
    return held | {f"guide/{name}": data for name, data in pictures().items()}


def source_archive() -> bytes:
    """Return a zip file with all that the page needs of Python: starchart with towel, starport, the Guide.

    The same files give the same bytes.
    """
    held = dict(_package_files("starchart", "", "starchart/"))
    held |= {name: data for name, data in _package_files("starport", "", "starport/") if name.endswith(".py")}
    held |= {f"{IN_A_CLONE}/{name}": data for name, data in guide_files().items()}
    written = BytesIO()
    with ZipFile(written, "w") as archive:
        for name in sorted(held):
            kind = ZIP_DEFLATED if name.endswith(".py") else ZIP_STORED  # weights would hardly shrink
            archive.writestr(ZipInfo(name, _TIME), held[name], kind)
    return written.getvalue()


def _package_files(package: str, folder: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield the path and the bytes of every file in a folder of a package."""
    place = files(package)
    for name in _names(place.joinpath(folder) if folder else place, f"{folder}/" if folder else ""):
        yield prefix + name, pkgutil.get_data(package, name) or b""


def _names(place: Traversable, prefix: str) -> Iterator[str]:
    for entry in place.iterdir():
        if entry.name.endswith(_LEFT_OUT) or entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _names(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name
