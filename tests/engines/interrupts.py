"""KeyboardInterrupt after a given time, in this process."""

import signal
from collections.abc import Callable
from typing import Any


def interrupted(call: Callable[[], Any], seconds: float) -> bool:
    """Call something and interrupt it so many seconds later; return whether it was interrupted before its end."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)  # of the limit that pytest-timeout sets to the whole test
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
            call()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return True
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)
    return False
