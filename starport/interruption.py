"""Ctrl-C and modules: an import that is broken off may print a traceback of Python's own, so it is let finish."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Within it Ctrl-C waits: KeyboardInterrupt is raised at the end. For what takes less than a second.

    Another handler of SIGINT than Python's own stays, and so does SIGINT that is ignored.
    """
    came = []
    holds = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    try:
        if holds:
            signal.signal(signal.SIGINT, lambda *_: came.append(True))
    except ValueError:  # only the main thread has signals
        holds = False
    try:
        yield
    finally:
        if holds:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt
