"""Messages and progress for the user, on standard error. Standard output is only for results."""

import logging
import os
import sys
import time

SECONDS_APART = 30.0  # between two lines of progress where standard error is not a terminal
_on_screen: "list[ProgressLine]" = []  # to be cleared before another line is printed


def printable(text: str) -> str:
    r"""Return `text` with "?" for control characters. File names come from outside and may contain terminal commands.

    >>> printable("a\x1b]0;b\x07.bin")
    'a?]0;b?.bin'
    """
    return "".join(character if character.isprintable() else "?" for character in text)


def tell(line: str) -> None:
    """Print one line on standard error. Where standard error is closed or cannot be written, the line is dropped."""
    for progress in _on_screen:
        progress.clear()
    _write(printable(" ".join(line.splitlines())) + "\n")


class Warnings(logging.Handler):
    """Prints the warnings of the library, each line once: some files are read twice."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        line = record.getMessage()
        if line not in self._told:
            self._told.add(line)
            tell(f"starchart: {line}")


class ProgressLine:
    """A line on the terminal that shows progress. It is overwritten with each update, and cleared at the end.

    A text longer than the terminal is wide is cut at its start, since a second row could not be cleared. Where standard
    error is not a terminal, progress is a new line every SECONDS_APART.
    """

    def __init__(self, title: str) -> None:
        self._shown = sys.stderr.isatty()
        self._room = _columns() - 1
        self._text = ""
        self._ended = False
        self._last_line = time.monotonic()
        _on_screen.append(self)
        self._show(title)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show `done` of `total`, in percent; clear the line when all is done."""
        text = "" if done >= total else f"{what} {100 * done // total} %"
        self._show(text)
        if text and not self._shown and not self._ended and time.monotonic() - self._last_line >= SECONDS_APART:
            self._last_line = time.monotonic()
            tell(text)

    def clear(self) -> None:
        """Clear the line; it may be shown again."""
        self._show("")

    def end(self) -> None:
        """Clear the line and write nothing more: the generated text follows."""
        self.clear()
        _on_screen.clear()
        self._shown = False
        self._ended = True

    def _show(self, text: str) -> None:
        text = printable(text)[-self._room :]
        if self._shown and text != self._text:
            _write(f"\r{' ' * len(self._text)}\r{text}")
            self._text = text


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:  # not a terminal, or an editor's window that only claims to be one
        return 80


def _write(text: str) -> None:
    try:
        print(text, end="", file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  it stays open to the end
