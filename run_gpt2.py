"""Continue a text with GPT-2: the same as `starchart generate`, from a bare clone with nothing installed.

starchart.pyz starts here too (tools/make_zipapp.py): then HERE is that file, and Python imports from inside it.
"""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "src"), HERE]

if __name__ == "__main__":
    from starport.cli import main

    sys.exit(main(["generate", *sys.argv[1:]], program=f"python {os.path.basename(sys.argv[0])}"))
