"""Every file that is read is opened here: a regular file, without waiting.

Opening a named pipe waits until another process writes to it, forever if none does; opening a device may change its
state; and a file may be replaced between a check of its path and the call that opens it. So its type is checked before
it is opened, it is opened without waiting (O_NONBLOCK, which Windows does not have or need), and its type is checked
again on the descriptor, which nothing can replace. On a regular file O_NONBLOCK changes nothing else (POSIX, open).
"""

import errno
import logging
import os
import stat
from functools import cache
from io import BufferedReader

_TYPES = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)

_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0)
_FLAGS = os.O_RDONLY | _WITHOUT_WAITING | getattr(os, "O_BINARY", 0)  # O_BINARY exists only on Windows
_log = logging.getLogger("starchart")


def open_regular_file(path: str | os.PathLike[str], or_pipe: bool = False) -> BufferedReader:
    """Return the regular file at `path`, open for reading bytes; with `or_pipe` it may be a pipe too.

    A pipe that no process has open for writing is empty. Raises OSError if the file cannot be opened or has another
    type, FileNotFoundError if there is none; strerror gives the reason, for a message that names the file.
    """
    try:
        _refuse_other_type(os.stat(path).st_mode, or_pipe)
        descriptor = os.open(path, _FLAGS)
    except (FileNotFoundError, ValueError):  # ValueError: the path has a NUL byte, which no file has
        raise FileNotFoundError(errno.ENOENT, _dangling(path) or "there is no such file") from None
    try:
        mode = os.fstat(descriptor).st_mode
        _refuse_other_type(mode, or_pipe)
        if _WITHOUT_WAITING and stat.S_ISFIFO(mode):
            os.set_blocking(descriptor, True)  # from now on, wait for the bytes that a writer will send
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular_file(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of the regular file at `path`. Raises OSError as `open_regular_file` does."""
    with open_regular_file(path) as file:
        return file.read()


def what_is_there(path: str | os.PathLike[str]) -> str:
    """Return what is at `path` instead of a regular file, as a clause; "" if there is a regular file, or nothing."""
    try:
        return _other_type(os.stat(path).st_mode)
    except (OSError, ValueError):
        return _dangling(path)


def is_file_or_warn(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a regular file at `path`. If something else is there, log one warning."""
    if fault := what_is_there(path):
        _warn(f"{os.fspath(path)}: is ignored: {fault}")
    return os.path.isfile(path)


def _refuse_other_type(mode: int, or_pipe: bool) -> None:
    fault = "" if or_pipe and stat.S_ISFIFO(mode) else _other_type(mode)
    if fault:
        raise OSError(errno.EINVAL, fault)


def _other_type(mode: int) -> str:
    """Return the type of a file, as a clause; "" for a regular file."""
    if stat.S_ISREG(mode):
        return ""
    name = next((name for is_type, name in _TYPES if is_type(mode)), "special file")
    return f"it is a {name}, not a regular file"


def _dangling(path: str | os.PathLike[str]) -> str:
    """Return where a link at `path` leads, as a clause, if it leads to nothing; else ""."""
    try:
        target = os.readlink(path)
    except (OSError, ValueError):  # not a link
        return ""
    return "" if os.path.exists(path) else f"it is a link to {target!r}, where there is no file"


@cache
def _warn(line: str) -> None:
    _log.warning("%s", line)
