"""Our ids beside tiktoken's on random Unicode texts, and decoded again.

    PYTHONPATH=src python -m tests.tokenizer.fuzz_tiktoken --strings 200000

Run it from the root of the repository. Exits 1 at the first difference.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from starchart.tokenizer.tokenizer import Tokenizer
from tests.tokenizer.gpt2_vocabulary import write_gpt2_vocabulary
from tests.tokenizer.references import RandomTexts, tiktoken_gpt2


def first_mismatch(folder: Path, strings: int, seed: int) -> str | None:
    """Return the first of so many random texts on which the two differ, or that does not come back; None if none."""
    ours, theirs, texts = Tokenizer.from_pretrained(folder), tiktoken_gpt2(folder), RandomTexts(seed)
    for _ in range(strings):
        text = texts.text()
        ids = ours.encode(text)
        if ids != theirs.encode_ordinary(text) or ours.decode(ids) != text:
            return text
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strings", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = first_mismatch(write_gpt2_vocabulary(Path(folder)), options.strings, options.seed)
    print(f"{options.strings:,} strings, seed {options.seed}: {'0 mismatches' if text is None else ascii(text)}")
    return int(text is not None)


if __name__ == "__main__":
    sys.exit(main())
