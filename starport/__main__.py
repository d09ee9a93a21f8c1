"""`python -m starport`: the command line, from a clone that is not installed too."""

import os
import sys

# Last in the path, so that an installed starchart is preferred.
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "src"))

if __name__ == "__main__":
    from starport.cli import main

    sys.exit(main(program="python -m starport"))
