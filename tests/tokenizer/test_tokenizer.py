"""Encoding, decoding and streaming with a small vocabulary trained here."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starchart.errors import VocabularyError
from starchart.tokenizer import tokenizer as tokenizer_module
from starchart.tokenizer.tokenizer import Tokenizer
from tests.tokenizer.small_vocabulary import TALE, small_vocabulary


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_merges(*small_vocabulary())


def test_by_hand() -> None:
    ids, _ = small_vocabulary()
    merges = [("s", "t"), ("a", "r"), ("st", "ar"), ("Ġ", "star")]
    ids = {token: i for token, i in ids.items() if len(token) == 1} | {"st": 301, "ar": 302, "star": 303, "Ġstar": 304}
    by_hand = Tokenizer.from_merges(ids, merges)
    assert by_hand.encode("star start") == [303, 304, ids["t"]]
    assert by_hand.encode(" art") == [ids["Ġ"], 302, ids["t"]]
    assert by_hand.decode([304, 303]) == " starstar"
    assert by_hand.vocab_size == 305
    assert by_hand.end_of_text is None


def test_merges_make_the_text_shorter(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(TALE)
    assert tokenizer.decode(ids) == TALE
    assert len(ids) < len(TALE.encode()) / 2


def test_special_tokens_are_text_unless_allowed(tokenizer: Tokenizer) -> None:
    text = "the star<|endoftext|> the<|endoftext|><|endoftext|>"
    plain, special = tokenizer.encode(text), tokenizer.encode(text, allow_special=True)
    star, the = tokenizer.encode("the star"), tokenizer.encode(" the")
    assert tokenizer.special_tokens == {"<|endoftext|>": 0}
    assert tokenizer.end_of_text == 0
    assert 0 not in plain
    assert special == [*star, 0, *the, 0, 0]
    assert tokenizer.decode(plain) == tokenizer.decode(special) == text


def test_the_longest_special_token_wins_and_stands_for_its_own_text() -> None:
    ids, merges = small_vocabulary()
    ids = ids | {"<é>": 400, "<é>!": 401, "<a b>": 402}
    tokenizer = Tokenizer.from_merges(ids, merges)
    assert tokenizer.encode("<é>!<é><a b>", allow_special=True) == [401, 400, 402]
    assert tokenizer.decode([401, 400, 402]) == "<é>!<é><a b>"
    assert tokenizer.tokens([401, ids["Ã"], 400, 402]) == ["<é>!", "Ã", "<é>", "<a b>"]


@given(text=st.text(max_size=300))
def test_decode_is_lossless(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode(tokenizer.encode(text, allow_special=True)) == text


def test_surrogates_count_as_tiktoken_counts_them(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"
    assert tokenizer.encode("\ud83c\udf1f") == tokenizer.encode("🌟")


@given(ids=st.lists(st.integers(0, 399), max_size=60))
def test_any_ids_decode_and_stream_alike(tokenizer: Tokenizer, ids: list[int]) -> None:
    data = tokenizer.decode_bytes(ids)
    pieces = list(tokenizer.stream(ids))
    assert tokenizer.decode(ids) == data.decode("utf-8", "replace") == "".join(pieces)
    assert all(pieces)


@given(data=st.binary(max_size=40))
def test_broken_utf8_streams_as_python_decodes_it(data: bytes) -> None:
    ids, _ = small_vocabulary()
    bytewise = Tokenizer.from_merges({token: i for token, i in ids.items() if len(token) == 1}, [])
    ids_of_bytes = [bytewise.encode(chr(byte))[-1] if byte < 0x80 else bytewise_id(ids, byte) for byte in data]
    assert "".join(bytewise.stream(ids_of_bytes)) == data.decode("utf-8", "replace") == bytewise.decode(ids_of_bytes)


def bytewise_id(ids: dict[str, int], byte: int) -> int:
    """Return the id of a byte above 0x7F: from 0xA1 up, but for 0xAD, its character is that of Latin-1."""
    others = [*range(0x21), *range(0x7F, 0xA1), 0xAD]
    return ids[chr(256 + others.index(byte)) if byte in others else chr(byte)]


def test_a_character_is_streamed_when_its_last_byte_comes(tokenizer: Tokenizer) -> None:
    ids, _ = small_vocabulary()
    first, second, third = (bytewise_id(ids, byte) for byte in "€".encode())
    given_so_far: list[int] = []

    def arriving() -> Iterator[int]:
        for i in (ids["a"], first, second, third, ids["b"], first):
            given_so_far.append(i)
            yield i

    pieces = [(piece, len(given_so_far)) for piece in tokenizer.stream(arriving())]
    assert pieces == [("a", 1), ("€", 4), ("b", 5), ("\ufffd", 6)]


@pytest.mark.parametrize("unknown", [10**5000, "x" * 10**6], ids=["digits", "letters"])
def test_an_unknown_id_of_any_size_is_named_on_a_short_line(tokenizer: Tokenizer, unknown: object) -> None:
    with pytest.raises(VocabularyError, match="is not in the vocabulary; ids go from 0 to 399") as caught:
        tokenizer.decode([unknown])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("unknown", [400, -1, 10**30, "7"])
def test_unknown_id(tokenizer: Tokenizer, unknown: int) -> None:
    for use in (tokenizer.decode, tokenizer.decode_bytes, lambda ids: list(tokenizer.stream(ids))):
        with pytest.raises(VocabularyError, match=f"id {unknown!r} is not in the vocabulary; ids go from 0 to 399"):
            use([1, unknown])


def test_a_full_memory_changes_nothing(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_module, "MAX_PIECES", 3)
    monkeypatch.setattr(tokenizer_module, "MAX_LENGTH", 5)
    forgetful = Tokenizer.from_merges(*small_vocabulary())
    assert forgetful.encode(TALE * 2) == tokenizer.encode(TALE * 2)
    remembered = forgetful._ids_of.__self__
    assert len(remembered) <= 3
    assert all(len(piece) <= 5 for piece in remembered)
