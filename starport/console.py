"""Lines for the person at the terminal, on standard error. Standard output is for the text alone."""

import os
import sys


def tell(line: str) -> None:
    """Print one line on standard error. Where that is closed, full or broken, nobody listens, and it is dropped."""
    try:
        print(" ".join(line.splitlines()), file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  it stays open to the end


class ProgressLine:
    """One line on a terminal that says how far something is. It is written over and over, and cleared at the end.

    Where standard error is no terminal, nothing is written.
    """

    def __init__(self, title: str) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._length = 0
        self._show(title)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show `done` of `total`, in percent; clear the line when all is done."""
        if done >= total:
            self.clear()
        else:
            self._show(f"{what} {100 * done // total} %")

    def clear(self) -> None:
        """Leave an empty line."""
        self._show("")

    def _show(self, text: str) -> None:
        if self._on_terminal:
            print(f"\r{' ' * self._length}\r{text}", end="", file=sys.stderr, flush=True)
            self._length = len(text)
