"""The page as its users get it: served by `starchart explore`, or as a static site by `python -m http.server`."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.children import started

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds


@contextlib.contextmanager
def explored(*arguments: str, **options: object) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Yield the address that `starchart explore` prints, and its process, which ends with the block."""
    command = [sys.executable, "-m", "starport", "explore", *arguments, "--no-browser"]
    if "--port" not in arguments:
        command += ["--port", "0"]
    with started(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        yield address_of(process), process


def address_of(process: "subprocess.Popen[bytes]") -> str:
    """Return the address in the first line of standard error that has one."""
    assert process.stderr
    told = b""
    for line in process.stderr:
        told += line
        if found := re.search(rb"http://\S+", line):
            return found[0].decode()
    raise AssertionError(f"no address in {told!r}")


@contextlib.contextmanager
def plainly_served(folder: Path) -> Iterator[str]:
    """Yield the address of a folder that `python -m http.server` serves."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout
        line = process.stdout.readline().decode()
        yield f"{re.search(r'http://[^/)]+', line)[0]}/"  # type: ignore[index]


def waited_for(is_so: object, seconds: float = PATIENCE) -> None:
    """Wait until a function says so."""
    ends = time.monotonic() + seconds
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < ends, "it did not come about in time"
        time.sleep(0.05)
