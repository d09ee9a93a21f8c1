"""Runs a command on a terminal, and returns what it shows."""

import os

from tests.children import started

COLUMNS = 70


def run_on_terminal(command, **options):
    """Run a command whose standard error is a terminal of 70 columns; return what it wrote there, and its output.

    Its standard output is that terminal too (and what is returned of it None) where stdout is not given.
    """
    import termios  # noqa: PLC0415  Windows has none

    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, COLUMNS))
    with started(command, **{"stdout": theirs, "stderr": theirs, **options}) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 10000)
            except OSError:  # Linux says so when the other end is closed
                break
            if not part:
                break
            written += part
        os.close(ours)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, written
    return written.decode(), output


def screen(written):
    """Return the rows on a terminal after all of this was written, without spaces at their ends.

    A character takes the place of what was there, after the last column the next row begins, and a carriage return
    goes back to the beginning of the row.
    """
    rows, column = [[]], 0
    for character in written:
        if character == "\n":
            rows.append([])
        elif character == "\r":
            column = 0
        else:
            if column == COLUMNS:
                rows.append([])
                column = 0
            rows[-1] += " " * (column + 1 - len(rows[-1]))
            rows[-1][column] = character
            column += 1
    return ["".join(row).rstrip() for row in rows]
