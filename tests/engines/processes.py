"""The running processes, by `ps` of Linux and macOS."""

import os
import subprocess
import time

from tests.children import started


def children(pid: int) -> list[int]:
    """Return the processes that `pid` has started and that still run."""
    with started(["ps", "-A", "-o", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True) as ps:
        rows = [line.split() for line in ps.communicate(timeout=60)[0].splitlines()]
    found = [int(child) for child, parent, state in rows if int(parent) == pid and not state.startswith("Z")]
    return [child for child in found if child != ps.pid]


def is_running(pid: int) -> bool:
    """Return whether there is such a process, other than one that has ended and waits for its parent to notice."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
    return bool(state.strip()) and not state.startswith("Z")


def wait_for_worker(parent: "subprocess.Popen[bytes]", seconds: float = 60.0) -> int:
    """Return the process that `parent` starts, as soon as it is there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # Speed matters here: /proc is faster than ps.
        found = _from_proc(parent.pid) or (children(parent.pid) if not os.path.isdir("/proc/self/task") else [])
        if found:
            return found[0]
        assert parent.poll() is None, "it ended before it started a worker"
    raise AssertionError("no worker was started")


def gone_within(pid: int, seconds: float) -> bool:
    """Return whether a process ends in so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not is_running(pid):
            return True
        time.sleep(0.02)
    return False


def _from_proc(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []
