"""The real GPT-2 vocabulary: tiktoken on texts of every kind, and expected ids."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from starchart.tokenizer import pre_tokenizer
from starchart.tokenizer.tokenizer import Tokenizer
from tests.data import shared

pytest.importorskip("tiktoken")
from tests.tokenizer.fuzz_tiktoken import first_mismatch
from tests.tokenizer.gpt2_vocabulary import CASES
from tests.tokenizer.references import RandomTexts, tiktoken_gpt2


@pytest.fixture(scope="module")
def gpt2() -> Tokenizer:
    return Tokenizer.from_pretrained("gpt2")


def test_the_ids_of_the_cases_are_tiktokens(gpt2_folder: Path) -> None:
    theirs = tiktoken_gpt2(gpt2_folder)
    for case in CASES:
        assert theirs.encode_ordinary(case["text"]) == case["ids"], case["name"]


def test_expected_ids(gpt2: Tokenizer) -> None:
    cases = json.loads(shared("tokenizer-cases/gpt2-expected.json").read_text(encoding="utf-8"))
    assert len(cases) == 107
    for case in cases:
        assert gpt2.encode(case["text"]) == case["ids"], case["name"]
        if "ids_with_special" in case:
            assert gpt2.encode(case["text"], allow_special=True) == case["ids_with_special"], case["name"]
    assert sum("ids_with_special" in case for case in cases) > 0


def test_every_text_file_comes_back_byte_for_byte(gpt2: Tokenizer) -> None:
    files = sorted(shared("tokenizer-cases").glob("*.txt"))
    assert len(files) >= 10
    for file in files:
        data = file.read_bytes()
        ids = gpt2.encode(data.decode("utf-8"))
        assert gpt2.decode_bytes(ids) == data, file.name
        assert gpt2.decode(ids).encode("utf-8") == data, file.name


def test_random_texts(gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert first_mismatch(gpt2_folder, 2000, seed=2) is None
    monkeypatch.setattr(pre_tokenizer, "BLOCK", 5)  # many blocks a text
    assert first_mismatch(gpt2_folder, 1000, seed=3) is None


def long_words() -> Iterator[str]:
    draw = random.Random(4)
    for unit in ("a", " ", "\n", "=", "星", "ab", "9", "\u3000", "e\u0301", "\U0001f31f"):
        yield unit * 5000 + "x"
    yield "".join(draw.choices("etaoinshrdlu", k=20_000))
    yield "".join(draw.choices("тозвезда", k=20_000))


def test_long_words(gpt2: Tokenizer, gpt2_folder: Path) -> None:
    theirs = tiktoken_gpt2(gpt2_folder)
    for text in long_words():
        assert gpt2.encode(text) == theirs.encode_ordinary(text), text[:10]


def test_surrogates(gpt2: Tokenizer, gpt2_folder: Path) -> None:
    theirs = tiktoken_gpt2(gpt2_folder)
    for text in ("\ud800", "a\udfffb c", "\ud83c\udf1f", "\udc00\ud800 x", "\ud83d\ud83d\ude00"):
        assert gpt2.encode(text) == theirs.encode_ordinary(text)


def test_any_ids_decode_as_tiktoken_decodes_them(gpt2: Tokenizer, gpt2_folder: Path) -> None:
    theirs = tiktoken_gpt2(gpt2_folder)
    draw = random.Random(5)
    for _ in range(300):
        ids = [draw.randrange(gpt2.vocab_size) for _ in range(draw.randint(1, 40))]
        assert gpt2.decode(ids) == theirs.decode(ids, errors="replace")
        assert "".join(gpt2.stream(ids)) == theirs.decode(ids, errors="replace")


def test_the_random_texts_hold_what_they_should() -> None:
    texts = RandomTexts(1)
    everything = "".join(texts.text() for _ in range(2000))
    assert all(
        sign in everything for sign in ("'ll", "\x85", "\u3000", "\x1c", "\u200b", "🏳️‍🌈", "<|endoftext|>", "звезда")
    )
    assert len(set(everything)) > 20_000
