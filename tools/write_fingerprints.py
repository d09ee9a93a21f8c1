"""Writes docs/FINGERPRINTS.md for the model in the box: `python -m tools.write_fingerprints`.

Run it when towel or the arithmetic was changed on purpose, and say so in the commit.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from starport.hub.find_model import IN_THE_BOX, find_model  # noqa: E402
from starport.verify.fingerprints import FILE, page  # noqa: E402

if __name__ == "__main__":
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    text = page(find_model(IN_THE_BOX)[0])
    FILE.write_text(text, encoding="utf-8")
    print(f"wrote {FILE.relative_to(ROOT)}")
