"""The split into words, against splits worked by hand from the pattern."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starchart.tokenizer import pre_tokenizer
from starchart.tokenizer.pre_tokenizer import repair, split_chunks, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Once upon a time", ["Once", " upon", " a", " time"]),
        ("don't you'll", ["don", "'t", " you", "'ll"]),
        ("DON'T", ["DON", "'", "T"]),  # only small letters are contractions
        (" 's", [" '", "s"]),  # the contraction takes no space
        ("x2 y²", ["x", "2", " y", "²"]),
        ("a  b", ["a", " ", " b"]),
        ("a \n b", ["a", " \n", " b"]),
        ("a\n\nb", ["a", "\n", "\n", "b"]),
        ("a\t b", ["a", "\t", " b"]),
        ("end  ", ["end", "  "]),
        ("\u3000 !?", ["\u3000", " !?"]),
        ("e\u0301a", ["e", "\u0301", "a"]),  # a combining mark is no letter
        ("a\x1cb", ["a", "\x1c", "b"]),  # white space for Python, not for GPT-2
        ("nai\u0308ve", ["nai", "\u0308", "ve"]),
        ("\U0001d400\U0001d7ce", ["\U0001d400", "\U0001d7ce"]),  # mathematical A, mathematical 0
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


# Mostly what the pattern looks at, now and then anything.
TEXTS = st.text(
    st.sampled_from("  \n\t\u3000'stvle7²aé.!\u0301星") | st.characters(exclude_categories=["Cs"]), max_size=200
)


@given(TEXTS, st.sampled_from([1, 2, 7, 1 << 15]))
def test_words_of_the_chunks_are_the_words_of_the_text(text: str, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pre_tokenizer, "BLOCK", block)
        chunks = list(chain.from_iterable(split_chunks(text)))
    assert "".join(chunks) == text
    assert list(chain.from_iterable(map(split_words, chunks))) == split_words(text)


def test_long_text_comes_in_blocks() -> None:
    blocks = list(split_chunks("star " * 100_000))
    assert len(blocks) > 10
    assert "".join(chain.from_iterable(blocks)) == "star " * 100_000


@pytest.mark.parametrize("unit", ["a", " ", "\n", "7", "!", "\u3000", "星", "\U0001f31f"])
def test_long_runs_are_one_word(unit: str) -> None:
    # A pattern that went back over the run at each character would not come to an end here.
    run = unit * 1_000_000
    assert split_words(run) == [run]
    assert list(split_chunks(run)) == [[run]]


def test_repair() -> None:
    assert repair("plain") == "plain"
    assert repair("a\ud800b") == "a\ufffdb"
    assert repair("\udc00\ud83c\udf1f\ud83c") == "\ufffd\U0001f31f\ufffd"
