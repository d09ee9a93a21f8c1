"""`python -m starport`: the command line, from a clone that is not installed too."""

import os
import sys

# Last in the path, so that an installed starchart is preferred. The root is for `python starport`.
ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path += [ROOT, os.path.join(ROOT, "src")]

if __name__ == "__main__":
    from starport.cli import main

    sys.exit(main(program="python -m starport"))
