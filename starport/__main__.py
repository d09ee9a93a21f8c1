"""`python -m starport`: the console command without its installation."""

import sys

from starport.cli import main

if __name__ == "__main__":
    sys.exit(main())
