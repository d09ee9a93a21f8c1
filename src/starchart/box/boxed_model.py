"""From a folder, or the name of a model in the box, to the folder that holds its files."""

import os
from pathlib import Path

_BOX = Path(__file__).parent
NAMES = ("towel",)


def model_folder(name: str | os.PathLike[str]) -> Path:
    """Return the folder of a model in the box if `name` is its name; else `name` itself.

    An existing folder of that name wins.

    >>> model_folder("towel").name
    'towel'
    """
    boxed = isinstance(name, str) and name in NAMES and not os.path.isdir(name)
    return _BOX / name if boxed else Path(name)
