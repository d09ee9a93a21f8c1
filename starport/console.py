"""Lines for the person at the terminal, on standard error. Standard output is for the text alone."""

import os
import sys


def tell(line: str) -> None:
    """Print one line on standard error. Where that is closed, full or broken, nobody listens, and it is dropped."""
    try:
        print(" ".join(line.splitlines()), file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  it stays open to the end
