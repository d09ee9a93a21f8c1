"""Ctrl-C and SIGTERM, while modules are loaded and while files are written."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Delay Ctrl-C: inside the `with` block it is only noted, and KeyboardInterrupt is raised at the end of the block.

    For imports, which take less than a second: Python may print a traceback of its own where one is interrupted.
    A handler of SIGINT that is not Python's default stays in place, and an ignored SIGINT stays ignored.
    """
    came = []
    holds = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    try:
        if holds:
            signal.signal(signal.SIGINT, lambda *_: came.append(True))
    except ValueError:  # only the main thread may set handlers
        holds = False
    try:
        yield
    finally:
        if holds:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


@contextmanager
def cleaning_up_when_terminated() -> Iterator[None]:
    """Inside the `with` block SIGTERM raises SystemExit, so that every `finally` runs. Only for the main thread."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, _: object) -> None:
    sys.exit(128 + number)
