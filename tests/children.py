"""Starts programs for a test: they end with the test, and do not ignore Ctrl-C."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any


def heed_interrupts() -> None:
    """Let Ctrl-C interrupt this process and the processes that it starts.

    A shell starts what a script puts into the background with SIGINT ignored, and a child of a process that ignores
    SIGINT ignores it too.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def started(command: Iterable[object], **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a program in a process group of its own, and end that whole group when the block ends, however it ends."""
    process = subprocess.Popen(list(map(str, command)), start_new_session=True, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # all of them have ended
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
        process.wait(timeout=60)
