"""`starchart train-tokenizer`: files that encode, and one clear line for whatever goes wrong."""

import pytest

from starchart import Tokenizer
from starport.cli import main

TALE = "The fox and the hound and the fox.\n" * 9


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "tale.txt"
    file.write_text(TALE, encoding="utf-8")
    return str(file)


def test_the_files_encode_the_text(text, tmp_path, capsys):
    assert main(["train-tokenizer", text, "--out", str(tmp_path / "new"), "--vocab-size", "262"]) == 0
    tokenizer = Tokenizer.from_pretrained(tmp_path / "new")
    assert tokenizer.vocab_size == 262
    assert tokenizer.decode(tokenizer.encode(TALE)) == TALE
    assert len(tokenizer.encode(TALE)) < len(TALE)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("262 tokens: ")


def test_a_text_that_has_no_more_pairs_says_so(text, tmp_path, capsys):
    assert main(["train-tokenizer", text, "--out", str(tmp_path / "new"), "--vocab-size", "4000"]) == 0
    assert "fewer than --vocab-size 4000" in capsys.readouterr().err


def test_a_vocabulary_is_replaced_only_when_asked(text, tmp_path, capsys):
    (tmp_path / "vocab.json").write_text("precious")
    command = ["train-tokenizer", text, "--out", str(tmp_path), "--vocab-size", "260"]
    assert main(command) == 2
    assert "holds vocab.json already" in capsys.readouterr().err
    assert (tmp_path / "vocab.json").read_text() == "precious"
    assert not (tmp_path / "merges.txt").exists()
    assert main([*command, "--overwrite"]) == 0
    assert Tokenizer.from_pretrained(tmp_path).vocab_size == 260
