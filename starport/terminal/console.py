"""Lines for the person at the terminal, on standard error. Standard output is for the text alone."""

import logging
import os
import sys

_on_screen: "list[ProgressLine]" = []


def printable(text: str) -> str:
    r"""Return `text` with a "?" for whatever a terminal would not show but obey: names of files come from strangers.

    >>> printable("a\x1b]0;b\x07.bin")
    'a?]0;b?.bin'
    """
    return "".join(character if character.isprintable() else "?" for character in text)


def tell(line: str) -> None:
    """Print one line on standard error. Where that is closed, full or broken, nobody listens, and it is dropped."""
    for progress in _on_screen:
        progress.clear()
    _write(printable(" ".join(line.splitlines())) + "\n")


class Warnings(logging.Handler):
    """Tells what the library logs, each line once: some files are read twice."""

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
    """One line on a terminal that says how far something is. It is written over and over, and cleared at the end.

    Of what is longer than the terminal is wide, the end is shown: a second row could not be cleared. Where standard
    error is no terminal, nothing is written.
    """

    def __init__(self, title: str) -> None:
        self._shown = sys.stderr.isatty()
        self._room = _columns() - 1
        self._text = ""
        _on_screen.append(self)
        self._show(title)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show `done` of `total`, in percent; clear the line when all is done."""
        self._show("" if done >= total else f"{what} {100 * done // total} %")

    def clear(self) -> None:
        """Leave an empty line."""
        self._show("")

    def end(self) -> None:
        """Clear the line, and write nothing more: from now on the text has the terminal."""
        self.clear()
        _on_screen.clear()
        self._shown = False

    def _show(self, text: str) -> None:
        text = printable(text)[-self._room :]
        if self._shown and text != self._text:
            _write(f"\r{' ' * len(self._text)}\r{text}")
            self._text = text


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:  # it is no terminal, or the window of an editor that says it is one
        return 80


def _write(text: str) -> None:
    try:
        print(text, end="", file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  it stays open to the end
