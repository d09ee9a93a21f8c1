"""The same ids on every Python: their own tables of characters and their own `re` differ, the ids must not."""

import subprocess
import sys
from pathlib import Path

import pytest

from starchart.tokenizer.training_files import save_vocabulary
from tests.data import ROOT
from tests.interpreters import every_python
from tests.tokenizer.small_vocabulary import small_vocabulary

# Characters of all kinds between others, so that their classes decide the split; then a tokenizer trained on them.
PROGRAM = f"""
import hashlib, sys
sys.path.insert(0, {str(ROOT / "src")!r})
from starchart.tokenizer.tokenizer import Tokenizer
from starchart.tokenizer.trainer import train_bpe
tokenizer = Tokenizer.from_pretrained(sys.argv[1])
points = [*range(0x3400), *range(0x3400, 0x110000, 41)]
text = "".join(f"a{{chr(c)}} {{chr(c)}}7{{chr(c)}}" for c in points if not 0xD800 <= c < 0xE000)
ids = tokenizer.encode(text)
assert tokenizer.decode(ids) == text
learned = train_bpe([text[:20_000]], 400)
print(len(ids), hashlib.sha256(repr((ids, learned)).encode()).hexdigest())
"""


def answer(python: str, folder: Path) -> str:
    command = [python, "-I", "-S", "-c", PROGRAM, str(folder)]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=300).stdout


@pytest.mark.parametrize("python", every_python()[1:])
def test_same_ids_on_every_python(python: str, tmp_path: Path) -> None:
    save_vocabulary(tmp_path, *small_vocabulary())
    here = answer(sys.executable, tmp_path)
    assert int(here.split()[0]) > 300_000
    assert answer(python, tmp_path) == here
