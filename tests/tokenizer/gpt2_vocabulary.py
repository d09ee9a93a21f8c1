"""GPT-2's vocabulary as the two files that other programs read, and texts with the ids that it gives them.

The texts in gpt2_cases.json were written for this, the ids are tiktoken's. A test asks tiktoken again.
"""

import json
from pathlib import Path

from starchart.box.boxed_vocabulary import boxed_merges
from starchart.tokenizer.vocabulary_files import vocabulary_from_merges
from starchart.tokenizer.written_vocabulary import written_tokens

CASES = json.loads(Path(__file__).with_name("gpt2_cases.json").read_text(encoding="utf-8"))


def write_gpt2_vocabulary(folder: Path) -> Path:
    """Write vocab.json, which follows from the merges in the box, and merges.txt into a folder, and return it."""
    merges = boxed_merges("gpt2")
    assert merges, "there is something called gpt2 in the working directory"
    tokens = written_tokens(vocabulary_from_merges(merges, "<|endoftext|>"))
    (folder / "vocab.json").write_bytes(json.dumps(tokens).encode())
    (folder / "merges.txt").write_bytes(merges.read_bytes())
    return folder
