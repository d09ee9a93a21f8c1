"""A program whose standard error is a terminal."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from threading import Thread


def run_on_terminal(
    command: Sequence[str], variables: Mapping[str, str]
) -> tuple["subprocess.CompletedProcess[bytes]", str]:
    """Run a command that must succeed. Return it with its standard output, and what the terminal was sent."""
    ours, theirs = os.openpty()
    parts: list[bytes] = []
    reader = Thread(target=_read_all, args=(ours, parts))  # a terminal that nobody reads is soon full
    reader.start()
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=theirs, env=dict(variables), timeout=60, check=True
        )
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)
    return done, b"".join(parts).decode()


def _read_all(terminal: int, parts: list[bytes]) -> None:
    while True:
        try:
            part = os.read(terminal, 10000)
        except OSError:  # Linux says so when the other end is closed
            return
        if not part:
            return
        parts.append(part)
