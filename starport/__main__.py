"""`python -m starport`: the console command, from a bare clone too."""

import os
import sys

# At the end: an installed starchart comes first.
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "src"))

if __name__ == "__main__":
    from starport.cli import main

    sys.exit(main(program="python -m starport"))
