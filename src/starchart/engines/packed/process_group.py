"""Processes that compute together: this one and its workers, each with a shard.

A worker is this same Python, started with a pipe to its standard input and one from its standard output. That works
from a script, the REPL, standard input, on Linux, macOS and Windows. It does what it is told: objects go both ways as
pickles, and nobody else has the pipes. End of file on a pipe is how each side learns that the other is gone.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import traceback
import weakref
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from starchart.errors import EngineError, StarchartError

_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from starchart.engines.packed.process_group import serve; serve()"
_NEW_PROCESS_GROUP = 0x200  # Windows' CREATE_NEW_PROCESS_GROUP
_GONE = (
    "a process of the packed engine ended: it was killed, perhaps for want of memory; start again"
    " (--workers 1 needs no other process)"
)
_BROKEN = "the packed engine was closed, or interrupted in the middle of a step; open the model again"


class ProcessGroup:
    """Shards by rank. Rank 0 is in this process. One shard needs no other process."""

    def __init__(self, shards: Sequence[Any]) -> None:
        self.shard = shards[0]
        self._workers: list[subprocess.Popen[bytes]] = []
        self._in_step = True
        self._finalizer = weakref.finalize(self, _stop, self._workers)
        for _ in shards[1:]:
            self._workers.append(_start())
        for worker, shard in zip(self._workers, shards[1:], strict=True):
            _send(worker, shard)

    @property
    def size(self) -> int:
        """How many processes there are."""
        return 1 + len(self._workers)

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call a method of every shard with the same arguments; return the results by rank."""
        return self.call_each(method, [arguments] * self.size)

    def call_each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a method of every shard, each with its own arguments; return the results by rank.

        Raises what a shard raises, and EngineError where a process has ended.
        """
        if not self._in_step:
            raise EngineError(_BROKEN)
        self._in_step = False
        for worker, own in zip(self._workers, arguments[1:], strict=True):
            _send(worker, (method, own))
        outcomes = [_outcome(self.shard, method, arguments[0]), *map(_receive, self._workers)]
        self._in_step = True
        for _, error in outcomes:
            if error:
                raise error
        return [result for result, _ in outcomes]

    def close(self) -> None:
        """End the workers."""
        self._in_step = False
        self._finalizer()


def serve() -> None:
    """Be a worker: take a shard, then call its methods as told, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that we work for
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    with contextlib.suppress(EOFError, OSError):
        shard = pickle.load(requests)
        while True:
            method, arguments = pickle.load(requests)
            pickle.dump(_outcome(shard, method, arguments), replies)
            replies.flush()
    os._exit(0)  # nothing is left to flush, and nobody to tell


def _outcome(shard: Any, method: str, arguments: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    """Return what a method returns, and what it raises."""
    try:
        return attrgetter(method)(shard)(*arguments), None
    except (StarchartError, MemoryError) as error:
        return None, error
    except Exception as error:  # a defect: whoever reads of it should see where it was
        error.add_note(traceback.format_exc())
        return None, error


def _start() -> "subprocess.Popen[bytes]":
    package = Path(__file__).resolve().parents[3]
    own_group: dict[str, Any] = (  # so that Ctrl-C on a terminal does not reach it
        {"creationflags": _NEW_PROCESS_GROUP} if sys.platform == "win32" else {"process_group": 0}
    )
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, str(package)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **own_group,
        )  # fmt: skip
    except OSError as error:
        raise EngineError(f"a worker process cannot be started: {error.strerror}; try --workers 1") from None


def _send(worker: "subprocess.Popen[bytes]", message: Any) -> None:
    assert worker.stdin
    try:
        pickle.dump(message, worker.stdin)
        worker.stdin.flush()
    except OSError:
        raise EngineError(_GONE) from None


def _receive(worker: "subprocess.Popen[bytes]") -> Any:
    assert worker.stdout
    try:
        return pickle.load(worker.stdout)
    except (EOFError, OSError, pickle.UnpicklingError):
        raise EngineError(_GONE) from None


def _stop(workers: "list[subprocess.Popen[bytes]]") -> None:
    for worker in workers:
        worker.kill()  # it has nothing to save
        for pipe in (worker.stdin, worker.stdout):
            with contextlib.suppress(OSError):
                pipe and pipe.close()
        worker.wait()
    workers.clear()
