"""GPT-2's byte alphabet, against the tokenizers library and single characters known from its vocabulary."""

import pytest

from starchart.tokenizer.byte_alphabet import ALPHABET, from_alphabet, to_alphabet


def test_known_characters() -> None:
    known = {
        0x00: "Ā",
        0x0A: "Ċ",
        0x20: "Ġ",
        0x21: "!",
        0x7E: "~",
        0x7F: "ġ",
        0xA0: "ł",
        0xA1: "¡",
        0xAD: "Ń",
        0xFF: "ÿ",
    }
    assert {byte: ALPHABET[byte] for byte in known} == known


def test_equals_the_tokenizers_library() -> None:
    pre_tokenizers = pytest.importorskip("tokenizers").pre_tokenizers
    assert sorted(ALPHABET) == sorted(pre_tokenizers.ByteLevel.alphabet())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for text in ("\0\t\n \x7f~", "ÀÿŁ\u00ad\u00a0", "星🌟\u0800\U00100000"):
        assert to_alphabet(text.encode()) == byte_level.pre_tokenize_str(text)[0][0]


def test_there_and_back() -> None:
    assert len(set(ALPHABET)) == 256
    assert from_alphabet(to_alphabet(bytes(range(256)))) == bytes(range(256))
    with pytest.raises(KeyError):
        from_alphabet("a b")  # the space is not of the alphabet
