r"""The split that comes before the merges: text is cut into words, and no token ever crosses a cut.

A word is a contraction ('s 't 'm 'd 'll 've 're), or letters, or numbers, or other signs, each run with at most
one space before it, or a run of white space. GPT-2 writes it so:

    '(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

Python's `re` has no \p, and its \s is another set. So the classes are spelled out from the table in `characters`.

Nothing is lost: the words of a text, joined, are the text. The patterns look at each character a fixed number of
times, so the time is linear in the length of the text, whatever is in it.

Source: Radford et al. 2019, section 2.2 (no merge across character categories); the pattern is that of OpenAI's
published encoder.
"""

import re
from collections.abc import Iterator

from starchart.tokenizer.characters import LETTERS, NUMBERS, WHITE_SPACE

BLOCK = 1 << 15  # characters taken at a time: short enough that the pieces stay in the processor's cache


def character_class(table: str) -> str:
    r"""Return a table of ranges as the inside of a `re` class.

    >>> character_class("9-D 20")
    '\\U00000009-\\U0000000d\\U00000020-\\U00000020'
    """
    ranges = [entry.split("-") for entry in table.split()]
    return "".join(f"\\U{int(run[0], 16):08x}-\\U{int(run[-1], 16):08x}" for run in ranges)


_L, _N, _S = character_class(LETTERS), character_class(NUMBERS), character_class(WHITE_SPACE)
_SPACES = f"[{_S}]+(?![^{_S}])|[{_S}]+"
_WORD = re.compile(f"'(?:[sdmt]|ll|ve|re)| ?[{_L}]+| ?[{_N}]+| ?[^{_S}{_L}{_N}]+|{_SPACES}")
_CHUNK = re.compile(f" ?[^{_S}]+|{_SPACES}")
_CHUNK_END = re.compile(f"[^{_S}](?=[{_S}])")


def repair(text: str) -> str:
    r"""Return the text as tiktoken reads it: a pair of surrogates becomes one character, a lone surrogate U+FFFD.

    A text without surrogates is returned unchanged. Surrogates cannot be written in UTF-8.

    >>> repair("\ud83c\udf1f \ud800") == "\U0001f31f \ufffd"
    True
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def split_words(text: str) -> list[str]:
    """Return the words of a text, in order.

    >>> split_words("We've  2 stars!")
    ['We', "'ve", ' ', ' 2', ' stars', '!']
    """
    return _WORD.findall(text)


def split_chunks(text: str) -> Iterator[list[str]]:
    """Yield coarser pieces of a text, a block at a time: whole words, cut only at white space.

    A chunk is white space, or everything up to the next white space with at most one space before it. Each cut
    of this split is also one of the split into words, so the words of the chunks are the words of the text.
    There are fewer chunks than words, and most occur many times, so that their ids can be looked up.

    >>> list(split_chunks("We've  2 stars!"))
    [["We've", ' ', ' 2', ' stars!']]
    """
    start = 0
    while start < len(text):
        # A block may end before white space that follows other text: words are always cut there.
        cut = _CHUNK_END.search(text, start + BLOCK)
        end = cut.end() if cut else len(text)
        yield _CHUNK.findall(text, start, end)
        start = end
