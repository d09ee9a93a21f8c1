"""Compare every component with other libraries: the same as `starchart compare`, which says what to install."""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "src"), HERE]

if __name__ == "__main__":
    from starport.cli import main

    sys.exit(main(["compare", *sys.argv[1:]], program="python compare.py"))
