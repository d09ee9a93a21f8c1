"""Pipes in the place of files, and a time limit for code that would wait for them for ever."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PATIENCE = 120  # seconds; on a busy machine, too, all that is tested takes a few

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


class HangsError(BaseException):
    """The tested code did not end. This is not an Exception, so that the tested code does not catch it."""


@contextmanager
def no_hang() -> Iterator[None]:
    """Raise HangsError in this block if it takes minutes, even inside a system call."""

    def end(*_: object) -> None:
        raise HangsError

    before = signal.signal(signal.SIGALRM, end)
    left = signal.alarm(_PATIENCE)  # of the limit that pytest-timeout sets to the whole test
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        signal.alarm(left)


def put_pipe(path: Path) -> Path:
    """Put a pipe that no program writes to in the place of the file at `path`."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path
