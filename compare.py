"""Prove that the chart is accurate: the same as `starchart compare`, which says what to install."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "src"), str(HERE)]

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036  an older Python gets one line, not a traceback
        sys.stderr.write("starchart: this is Python " + sys.version.split()[0] + "; 3.11 or newer is needed\n")
        sys.exit(2)
    try:
        from starport.cli import main

        code = main(["compare", *sys.argv[1:]], program="python compare.py")
    except KeyboardInterrupt:  # while the modules were still loading
        code = 130
    sys.exit(code)
