"""GPT-2's vocabulary in the box: OpenAI's files to the byte, found by name, and the ids that others give too."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from starchart.box.boxed_vocabulary import NAMES, boxed_merges
from starchart.errors import VocabularyError
from starchart.tokenizer.tokenizer import Tokenizer
from starchart.tokenizer.training_files import save_vocabulary
from starchart.tokenizer.vocabulary_files import vocabulary_from_merges
from tests.data import ROOT
from tests.interpreters import other_interpreters
from tests.tokenizer.gpt2_vocabulary import CASES
from tests.tokenizer.small_vocabulary import small_vocabulary

# As published at openaipublic.blob.core.windows.net/gpt-2 (encoder.json, vocab.bpe) and on the hub.
PUBLISHED = {
    "vocab.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    "merges.txt": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
}
# A program for any Python: what the vocabulary in the box makes of every text.
PROGRAM = f"""
import json, sys
sys.path.insert(0, {str(ROOT / "src")!r})
from starchart import Tokenizer
gpt2 = Tokenizer.from_pretrained("gpt2")
print(json.dumps([gpt2.encode(text) for text in json.load(sys.stdin)]))
"""


def test_the_files_are_openais(gpt2_folder: Path) -> None:
    assert {name: sha256((gpt2_folder / name).read_bytes()).hexdigest() for name in PUBLISHED} == PUBLISHED
    merges = boxed_merges("gpt2")
    assert merges
    assert {file.name for file in merges.parent.iterdir()} == {"merges.txt", "LICENSE", "README.md"}
    assert PUBLISHED["merges.txt"] in (merges.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_size_has_it(name: str, gpt2_folder: Path) -> None:
    ours, pair = Tokenizer.from_pretrained(name), Tokenizer.from_pretrained(gpt2_folder)
    assert (ours.vocab_size, ours.end_of_text, ours.special_tokens) == (50257, 50256, {"<|endoftext|>": 50256})
    assert ours.tokens(range(50257)) == pair.tokens(range(50257))
    text = "Ships of every kind, naïve ones too:\n\t 1234567 🚀<|endoftext|>"
    for special in (False, True):
        assert ours.encode(text, allow_special=special) == pair.encode(text, allow_special=special)


def test_a_folder_of_that_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_vocabulary("gpt2", *small_vocabulary())
    assert Tokenizer.from_pretrained("gpt2").vocab_size == 400
    assert Tokenizer.from_pretrained("gpt2-xl").vocab_size == 50257
    (tmp_path / "gpt2-xl").mkdir()
    with pytest.raises(VocabularyError, match=r"no vocab\.json and no merges\.txt"):
        Tokenizer.from_pretrained("gpt2-xl")


def test_a_folder_with_merges_alone_is_still_refused(gpt2_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "merges.txt").write_bytes((gpt2_folder / "merges.txt").read_bytes())
    with pytest.raises(VocabularyError, match=r"no vocab\.json; needed are"):  # its model may count in another order
        Tokenizer.from_pretrained(tmp_path)


def test_damaged_merges_are_refused(tmp_path: Path) -> None:
    merges = tmp_path / "merges.txt"
    for content, message in ((b"#version: 0.2\na b\na b\n", "line 3: "), (b"#version: 0.2\nab\n", "line 2: ")):
        merges.write_bytes(content)
        with pytest.raises(VocabularyError, match=message):
            vocabulary_from_merges(merges, "<|endoftext|>")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_ids(case: dict[str, object]) -> None:
    gpt2 = Tokenizer.from_pretrained("gpt2")
    text, ids = case["text"], case["ids"]
    assert gpt2.encode(text) == ids
    assert gpt2.decode(ids) == text
    assert gpt2.decode_bytes(ids) == text.encode()


def test_the_cases_hold_what_they_should() -> None:
    assert len(CASES) == 15
    everything = "".join(case["text"] for case in CASES)
    signs = ("'ll", "\x85", "\u3000", "\x1c", "\u200b", "🏳️‍🌈", "<|endoftext|>", "звезда", "\r\n", "\0", "있", "नहीं")
    assert [sign for sign in signs if sign not in everything] == []


def test_ids_on_every_python() -> None:
    texts = json.dumps([case["text"] for case in CASES])
    for python in [sys.executable, *other_interpreters()]:
        command = [python, "-I", "-S", "-c", PROGRAM]
        said = subprocess.run(command, input=texts, capture_output=True, check=True, text=True, timeout=300).stdout
        assert json.loads(said) == [case["ids"] for case in CASES], python


def test_tokens_are_written_as_in_vocab_json(gpt2_folder: Path) -> None:
    gpt2 = Tokenizer.from_pretrained("gpt2")
    assert gpt2.tokens(gpt2.encode("Once upon\n 星")) == ["Once", "Ġupon", "Ċ", "Ġæ", "ĺ", "Ł"]
    assert gpt2.tokens([50256, 0]) == ["<|endoftext|>", "!"]
    ids = json.loads((gpt2_folder / "vocab.json").read_text(encoding="utf-8"))
    assert gpt2.tokens(ids.values()) == list(ids)
    with pytest.raises(VocabularyError, match="token id 50257 is not in the vocabulary"):
        gpt2.tokens([0, 50257])


def test_other_names_are_not_in_the_box() -> None:
    assert boxed_merges("towel") is None
    assert boxed_merges(Path("gpt2")) is None  # a path is a path
