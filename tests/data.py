"""Where the shared data of the tests is: a vocabulary, texts and a small model, too large to be kept with the code."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("STARCHART_DATA") or ROOT.parent / "shared" / "data")


def shared(relative: str) -> Path:
    """Return the shared file or folder of this name; the test is skipped where it is not there.

    The data lie in ../shared/data beside the repository, or where the variable STARCHART_DATA says.
    """
    path = DATA / relative
    if not path.exists():
        pytest.skip(f"shared data not here: {relative}")
    return path
