"""The README of the tokenizer: its example runs, and its numbers are those of GPT-2's vocabulary."""

import doctest
import re
from pathlib import Path

from starchart.tokenizer.tokenizer import Tokenizer
from tests.data import ROOT

README = ROOT / "src" / "starchart" / "tokenizer" / "README.md"


def test_example_runs() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False, encoding="utf-8")
    assert tried >= 5
    assert failed == 0


def test_every_file_is_named() -> None:
    words = set(re.findall(r"\w+", README.read_text(encoding="utf-8")))
    assert {file.stem for file in README.parent.glob("*.py")} - {"__init__"} - words == set()


def test_numbers_of_gpt2(gpt2_folder: Path) -> None:
    text = README.read_text(encoding="utf-8")
    merges = (gpt2_folder / "merges.txt").read_text(encoding="utf-8").split("\n")[1:]
    ranks = re.findall(r"`(\S+ \S+)` \((\d+)\)", text)
    assert len(ranks) == 9
    for merge, rank in ranks:
        assert merges[int(rank)] == merge
    gpt2 = Tokenizer.from_pretrained("gpt2")
    for word in (" starlight", " stardust"):
        assert str(gpt2.encode(word)) in text
