"""`python -m starport`: the console command, from a bare clone too."""

import sys
from importlib.util import find_spec
from pathlib import Path

if not find_spec("starchart"):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

if __name__ == "__main__":
    from starport.cli import main

    sys.exit(main())
