"""The chapters of the Guide and their pictures: docs/guide of a clone, or the folder `chapters` of a package."""

import pkgutil
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

PACKAGED = "chapters"
IN_A_CLONE = "docs/guide"


@cache
def guide_files() -> dict[str, bytes]:
    """Return the files of the Guide by their names: chapters (.md) that begin with a digit, and pictures (.svg)."""
    here = files(__package__)
    if here.joinpath(PACKAGED).is_dir():
        names = _names(here.joinpath(PACKAGED))
        return {name: pkgutil.get_data(__package__, f"{PACKAGED}/{name}") or b"" for name in names}
    # A clone, or a zip file of one: only the loader can read both.
    folder = Path(__file__).parents[2] / IN_A_CLONE
    place = getattr(here, "parent").parent.joinpath(IN_A_CLONE)  # noqa: B009  a path on disk or in a zip file has one
    loader: Any = __spec__.loader
    return {name: loader.get_data(str(folder / name)) for name in _names(place)}


def _names(folder: Traversable) -> list[str]:
    entries = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted(name for name in entries if name.endswith(".svg") or (name.endswith(".md") and name[0].isdigit()))


def chapter_texts() -> dict[str, str]:
    """Return the Markdown of the chapters by their names, such as "3-attention", in their order."""
    return {name.removesuffix(".md"): data.decode() for name, data in guide_files().items() if name.endswith(".md")}


def pictures() -> dict[str, bytes]:
    """Return the pictures by their names."""
    return {name: data for name, data in guide_files().items() if name.endswith(".svg")}
