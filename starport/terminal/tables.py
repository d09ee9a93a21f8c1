"""Plain tables for a terminal: columns of equal width, whatever the script, and no wider than the terminal.

A character of Chinese or an emoji takes two columns, a combining mark none. Output that does not go to a terminal has
no limit.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from unicodedata import combining, east_asian_width

_GAP = "  "


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    >>> width("fox"), width("星"), width("e\u0301")
    (3, 2, 1)
    """
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, most: int) -> str:
    """Return a text of at most `most` columns; one that was longer ends in "…".

    >>> cut("ambassador", 6)
    'ambas…'
    """
    if width(text) <= most:
        return text
    kept = ""
    for character in text:
        if width(kept + character) > most - 1:
            break
        kept += character
    return kept + "…"


def left(text: str, columns: int) -> str:
    """Return a text with spaces after it."""
    return text + " " * (columns - width(text))


def right(text: str, columns: int) -> str:
    """Return a text with spaces before it."""
    return " " * (columns - width(text)) + text


def table(rows: Sequence[Sequence[str]], align: str = "") -> str:
    """Return rows of equal length as lines. `align` has l or r for every column; the last one goes on.

    >>> print(table([["block", "norm"], ["0", "12.5"]], "lr"))
    block  norm
    0      12.5
    """
    if not rows:
        return ""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    align = (align or "l") + (align or "l")[-1] * len(widths)
    return "\n".join(
        _GAP.join(
            (right if a == "r" else left)(cell, w) for cell, w, a in zip(row, widths, align, strict=False)
        ).rstrip()
        for row in rows
    )


def columns_that_fit(widths: Iterable[int], room: int | None) -> int:
    """Return how many columns of these widths, counted from the last one, fit into `room`; at least one."""
    if room is None:
        return len(list(widths))
    count, used = 0, 0
    for each in reversed(list(widths)):
        used += each + len(_GAP)
        if used > room and count:
            break
        count += 1
    return max(count, 1)


def columns() -> int | None:
    """Return the width of the terminal that standard output is; None where it is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):  # no terminal, or a stream of a test without a file
        return None
