"""GPT-2's vocabulary in the box: its merges, under the names of the models that use it. Their weights are not here."""

import os
from pathlib import Path

from starchart.box.unzipped import unzipped

NAMES = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "distilgpt2")


def boxed_merges(name: str | os.PathLike[str]) -> Path | None:
    """Return the path of GPT-2's merges.txt if `name` is one of NAMES, and no file or folder has that name; else None.

    >>> boxed_merges("gpt2-xl").name
    'merges.txt'
    """
    if not isinstance(name, str) or name not in NAMES or os.path.exists(name):
        return None
    return unzipped(Path(__file__).parent / "gpt2") / "merges.txt"
