"""Tell a story with GPT-2: the same as `starchart generate`, from a bare clone with nothing installed.

starchart.pyz begins here too (tools/make_zipapp.py): HERE is that file then, and Python imports from inside it.
"""

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

        code = main(["generate", *sys.argv[1:]], program=f"python {Path(sys.argv[0]).name}")
    except KeyboardInterrupt:  # while the modules were still loading
        code = 130
    sys.exit(code)
