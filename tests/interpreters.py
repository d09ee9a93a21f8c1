"""The other Pythons of this machine, to show that the same code gives the same result on each."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_VERSIONS = ("3.11", "3.12", "3.13", "3.14")
_RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
_ASK_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


@cache
def other_interpreters() -> list[str]:
    """Return paths of Pythons 3.11 and later that run, the oldest first, one for each minor version but the running."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    on_path = [shutil.which(f"python{version}") for version in _VERSIONS]
    candidates = [path for path in on_path if path] + sorted(map(str, pyenv.glob("versions/3.1*/bin/python")))
    found: dict[str, str] = {}
    for path in candidates:
        version = _version(path)
        if version in _VERSIONS and version != _RUNNING:
            found.setdefault(version, path)
    return [found[version] for version in _VERSIONS if version in found]


def every_python() -> list[Any]:
    """Return the running Python and all others, as parameters of a test: slow but for the running and the newest."""
    *older, newest = other_interpreters() or [sys.executable]
    always = list(dict.fromkeys([sys.executable, newest]))
    return [*always, *(pytest.param(path, marks=pytest.mark.slow) for path in older)]


def _version(path: str) -> str:
    """Return the minor version that an interpreter says it has; empty if it does not run (pyenv's shims may not)."""
    command = [path, "-I", "-S", "-c", _ASK_VERSION]
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
