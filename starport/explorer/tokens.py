"""Tokens as data, and every step from a text to its ids."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from starchart import Tokenizer
from starchart.errors import RequestError
from starchart.files.json_file import shown
from starchart.tokenizer.pre_tokenizer import repair, split_words
from starchart.tokenizer.vocabulary import Vocabulary

MOST_CHARACTERS = 10_000  # of one word they take a second
_NO_RANK = 1 << 62  # larger than any rank
_NAMED = {" ": "␣", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}


class Tokens:
    """A tokenizer whose tokens are data: {"id", "text", "shown", "bytes", "special"}."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.tokenizer = Tokenizer(vocabulary)
        self._special_ids = set(self.tokenizer.special_tokens.values())

    def token(self, number: int) -> dict[str, Any]:
        """Return a token. An id that only pads the vocabulary has no text."""
        raw = self._vocabulary.token_bytes.get(number)
        text = f"<{number}>" if raw is None else raw.decode("utf-8", "replace")
        return {
            "id": number,
            "text": text,
            "shown": text if raw is None else shown_bytes(raw),
            "bytes": list(raw or b""),
            "special": raw is None or number in self._special_ids,
        }

    def tokens(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return the tokens of some ids."""
        return [self.token(number) for number in ids]

    def find(self, search: str, count: int) -> Iterator[int]:
        """Yield the ids below `count` whose text has `search` in it, in any case, and the id that it is."""
        wanted = search.casefold()
        for number in range(count):
            raw = self._vocabulary.token_bytes.get(number, b"")
            if wanted in raw.decode("utf-8", "replace").casefold() or search == str(number):
                yield number

    def steps(self, text: str, special: bool) -> dict[str, Any]:
        """Return what the tokenizer does with a text: words, bytes, every merge in its order. Raises RequestError."""
        if len(text) > MOST_CHARACTERS:
            raise RequestError(f"the text has {len(text)} characters; at most {MOST_CHARACTERS} are shown")
        text = repair(text)
        words = [word for part in self._parts(text, special) for word in self._words(part, special)]
        ids = [number for word in words for number in word["ids"]]
        return {
            "text": text,
            "bytes": len(text.encode()),
            "words": words,
            "ids": ids,
            "tokens": self.tokens(ids),
            "special_tokens": self.tokens(sorted(self._special_ids)),
        }

    def _parts(self, text: str, special: bool) -> list[str]:
        """Return the text cut at special tokens, which are parts of their own."""
        texts = sorted(self.tokenizer.special_tokens, key=len, reverse=True)
        if not special or not texts:
            return [text]
        return [part for part in re.split(f"({'|'.join(map(re.escape, texts))})", text) if part]

    def _words(self, part: str, special: bool) -> Iterator[dict[str, Any]]:
        if special and part in self.tokenizer.special_tokens:
            ids = [self.tokenizer.special_tokens[part]]
            yield {"text": part, "bytes": list(part.encode()), "symbols": [], "merges": [], "ids": ids, "special": True}
            return
        for word in split_words(part):
            symbols = [self._vocabulary.byte_ids[byte] for byte in word.encode()]
            ids = list(symbols)
            merges = [*self._merges(ids)]
            yield {
                "text": word,
                "bytes": list(word.encode()),
                "symbols": self.tokens(symbols),
                "merges": merges,
                "ids": ids,
                "special": False,
            }

    def _merges(self, ids: list[int]) -> Iterator[dict[str, Any]]:
        """Yield the merges of a word in their order: the lowest rank first, of equal ones the leftmost. Changes `ids`.

        This is `starchart.tokenizer.byte_pair_encoding` one step at a time; a test holds the ids against it.
        """
        ranks = self._vocabulary.ranks
        found = [ranks.get(pair, _NO_RANK) for pair in pairwise(ids)]
        while found and (rank := min(found)) != _NO_RANK:
            at = found.index(rank)
            left, right, into = ids[at], ids[at + 1], self._vocabulary.merged[rank]
            ids[at : at + 2] = [into]
            del found[at]
            for place in range(max(0, at - 1), min(at + 1, len(found))):
                found[place] = ranks.get((ids[place], ids[place + 1]), _NO_RANK)
            yield {
                "rank": rank, "at": at,
                "left": self.token(left), "right": self.token(right), "into": self.token(into),
            }  # fmt: skip


def shown_bytes(raw: bytes) -> str:
    r"""Return bytes as text that is safe to show: a space as ␣, escapes for what is invisible or no whole character.

    >>> print(shown_bytes(b" a\n\x00"), shown_bytes(b"\xe2\x98"), shown_bytes("\u202e".encode()))
    ␣a\n\x00 \xe2\x98 \u202e
    """
    return "".join(map(_shown, raw.decode("utf-8", "surrogateescape")))


def _shown(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is part of no character
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_token(tokenizer: Tokenizer, text: str, name: str) -> int:
    """Return the id of a text that is one token. Raises RequestError, which shows the tokens, for any other."""
    ids = tokenizer.encode(text)
    if len(ids) != 1:
        parts = ", ".join(repr(tokenizer.decode([number])) for number in ids[:6])
        advice = f"it is {len(ids)} tokens: {parts}; give one of them" if ids else "it is empty"
        raise RequestError(f"{name} {shown(text)} must be one token; {advice}")
    return ids[0]
