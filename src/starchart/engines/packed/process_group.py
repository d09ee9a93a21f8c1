"""A process group: this process and its workers, each with a shard.

A worker is the same Python, started with a pipe to its standard input and one from its standard output. That works from
a script, the REPL and standard input, on Linux, macOS and Windows. Requests and answers are pickles; no other process
has the pipes. Each side sees the end of the other one as the end of file on a pipe.

An interrupt (Ctrl-C) ends a call in this process only: the workers finish it, and the next call first reads and drops
their answers.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Sequence
from functools import wraps
from io import FileIO
from operator import attrgetter
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from starchart.engines.packed.exchange import Exchange, framed
from starchart.errors import EngineError, StarchartError

_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from starchart.engines.packed.process_group import serve; serve()"
_NEW_PROCESS_GROUP = 0x200  # Windows' CREATE_NEW_PROCESS_GROUP
_GONE = (
    "a process of the packed engine ended: it was killed, perhaps because memory ran out; start again"
    " (--workers 1 needs no other process)"
)
_CLOSED = "the packed engine was closed; open the model again"

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _in_turn(
    method: "Callable[Concatenate[ProcessGroup, _Arguments], _Result]",
) -> "Callable[Concatenate[ProcessGroup, _Arguments], _Result]":
    """Make a call wait until the calls of other threads have ended."""

    @wraps(method)
    def wrapper(group: "ProcessGroup", /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        held: list[bool] = []
        try:
            # Acquired and stored in one step, as in `exchange`: an interrupt leaves no lock acquired.
            held.extend(map(group._turn.acquire, (True,)))
            return method(group, *args, **kwargs)
        finally:
            if held:
                group._turn.release()

    return wrapper


class ProcessGroup:
    """Shards by rank. Rank 0 is in this process; one shard alone needs no worker. Threads may share a group."""

    def __init__(self, shards: Sequence[Any]) -> None:
        self.shard = shards[0]
        self._workers: list[subprocess.Popen[bytes]] = []
        self._turn = threading.RLock()
        self._unfinished: list[Exchange] = []
        self._closed = False
        self._finalizer = weakref.finalize(self, _stop, self._workers)
        for _ in shards[1:]:
            self._workers.append(_start())
        try:
            for worker, shard in zip(self._workers, shards[1:], strict=True):
                _exchange(worker, shard).send()
        except OSError:
            raise EngineError(_GONE) from None

    @property
    def size(self) -> int:
        """How many processes there are, this one included."""
        return 1 + len(self._workers)

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call a method of every shard with the same arguments; return the results by rank."""
        return self.call_each(method, [arguments] * self.size)

    @_in_turn
    def call_each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a method of every shard, each with its own arguments; return the results by rank.

        Raises what a shard raises, and EngineError where a process has ended or the group was closed.
        """
        if self._closed:
            raise EngineError(_CLOSED)
        try:
            for left in self._unfinished:  # of a call that was interrupted: these answers are dropped
                left.answer()
            requests = zip(self._workers, arguments[1:], strict=True)
            self._unfinished = exchanges = [_exchange(worker, (method, own)) for worker, own in requests]
            for exchange in exchanges:
                exchange.send()
            own_outcome = _outcome(self.shard, method, arguments[0])
            answers = [exchange.answer() for exchange in exchanges]
            self._unfinished = []
            outcomes = [own_outcome, *map(pickle.loads, answers)]
        except (EOFError, OSError, pickle.UnpicklingError):
            raise EngineError(_GONE) from None
        for _, error in outcomes:
            if error:
                raise error
        return [result for result, _ in outcomes]

    @_in_turn
    def close(self) -> None:
        """End the workers."""
        self._closed = True
        self._finalizer()


def serve() -> None:
    """Run a worker: read a shard, then call its methods as requested, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the process that started this one
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    with contextlib.suppress(EOFError, OSError):
        shard = pickle.load(requests)
        while True:
            method, arguments = pickle.load(requests)
            replies.writelines(framed(pickle.dumps(_outcome(shard, method, arguments))))
            replies.flush()
    os._exit(0)  # nothing is left to flush, and no process to report to


def _outcome(shard: Any, method: str, arguments: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    """Return what a method returns, and the exception that it raises."""
    try:
        return attrgetter(method)(shard)(*arguments), None
    except (StarchartError, MemoryError) as error:
        return None, error
    except Exception as error:  # a defect: the report should show where it was
        error.add_note(traceback.format_exc())
        return None, error


def _start() -> "subprocess.Popen[bytes]":
    package = Path(__file__).resolve().parents[3]
    own_group: dict[str, Any] = (  # so that Ctrl-C on a terminal does not stop it
        {"creationflags": _NEW_PROCESS_GROUP} if sys.platform == "win32" else {"process_group": 0}
    )
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, str(package)],
            bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **own_group,
        )  # fmt: skip
    except OSError as error:
        raise EngineError(f"a worker process cannot be started: {error.strerror}; try --workers 1") from None


def _exchange(worker: "subprocess.Popen[bytes]", message: Any) -> Exchange:
    assert isinstance(worker.stdin, FileIO)
    assert isinstance(worker.stdout, FileIO)
    return Exchange(worker.stdin, worker.stdout, pickle.dumps(message))


def _stop(workers: "list[subprocess.Popen[bytes]]") -> None:
    for worker in workers:
        worker.kill()  # it has nothing to save
        for pipe in (worker.stdin, worker.stdout):
            with contextlib.suppress(OSError):
                pipe and pipe.close()
        worker.wait()
    workers.clear()
