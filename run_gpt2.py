"""Tell a story with GPT-2: the same as `starchart generate`, from a bare clone with nothing installed."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "src"), str(HERE)]

if __name__ == "__main__":
    try:
        from starport.cli import main

        code = main(["generate", *sys.argv[1:]])
    except KeyboardInterrupt:  # while the modules were still loading
        code = 130
    sys.exit(code)
