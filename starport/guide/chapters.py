"""The chapters of docs/guide and their pictures.

In a package they lie beside this file, in a folder `chapters`; in a clone they are those of docs/guide.
"""

import pkgutil
from functools import cache
from importlib.resources import files
from pathlib import Path

from starchart.files.regular_file import read_regular_file

PACKAGED = "chapters"
_IN_A_CLONE = Path(__file__).parents[2] / "docs" / "guide"


@cache
def guide_files() -> dict[str, bytes]:
    """Return the files of the Guide by their names: chapters (.md) that begin with a digit, and pictures (.svg)."""
    packaged = files("starport.guide").joinpath(PACKAGED)
    if packaged.is_dir():
        names = sorted(entry.name for entry in packaged.iterdir() if _belongs(entry.name))
        return {name: pkgutil.get_data("starport.guide", f"{PACKAGED}/{name}") or b"" for name in names}
    paths = sorted(_IN_A_CLONE.iterdir()) if _IN_A_CLONE.is_dir() else []
    return {path.name: read_regular_file(path) for path in paths if _belongs(path.name)}


def chapter_texts() -> dict[str, str]:
    """Return the Markdown of the chapters by their names, such as "3-attention", in their order."""
    return {name.removesuffix(".md"): data.decode() for name, data in guide_files().items() if name.endswith(".md")}


def pictures() -> dict[str, bytes]:
    """Return the pictures by their names."""
    return {name: data for name, data in guide_files().items() if name.endswith(".svg")}


def _belongs(name: str) -> bool:
    return name.endswith(".svg") or (name.endswith(".md") and name[0].isdigit())
