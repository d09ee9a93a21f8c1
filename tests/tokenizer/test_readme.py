"""The README of the tokenizer: its example runs, and its numbers are those of GPT-2's vocabulary."""

import doctest
import re

from starchart.tokenizer.tokenizer import Tokenizer
from tests.data import ROOT, shared

README = ROOT / "src" / "starchart" / "tokenizer" / "README.md"


def test_example_runs() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False, encoding="utf-8")
    assert tried >= 5
    assert failed == 0


def test_numbers_of_gpt2() -> None:
    folder = shared("gpt2-vocab")
    text = README.read_text(encoding="utf-8")
    merges = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")[1:]
    ranks = re.findall(r"`(\S+ \S+)` \((\d+)\)", text)
    assert len(ranks) == 9
    for merge, rank in ranks:
        assert merges[int(rank)] == merge
    gpt2 = Tokenizer.from_pretrained(folder)
    for word in (" starlight", " stardust"):
        assert str(gpt2.encode(word)) in text
