"""Independent tokenizers to compare with: tiktoken with GPT-2's vocabulary, and texts of all kinds of characters."""

import os
import random
import unicodedata
from pathlib import Path

import tiktoken
from tiktoken.load import data_gym_to_mergeable_bpe_ranks

GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def tiktoken_gpt2(folder: Path) -> tiktoken.Encoding:
    """Return tiktoken's GPT-2, its ranks read by tiktoken from the vocab.json and merges.txt of a folder."""
    os.environ["TIKTOKEN_CACHE_DIR"] = ""  # read these files, not a copy from another day
    ranks = data_gym_to_mergeable_bpe_ranks(str(folder / "merges.txt"), str(folder / "vocab.json"))
    return tiktoken.Encoding(
        "gpt2", pat_str=GPT2_PATTERN, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": len(ranks)}
    )


def _by_category() -> dict[str, list[str]]:
    """Return all characters but surrogates, by the first letter of their category in this Python; Cn is unassigned."""
    categories: dict[str, list[str]] = {}
    for point in (*range(0xD800), *range(0xE000, 0x110000)):
        character = chr(point)
        category = unicodedata.category(character)
        categories.setdefault(category if category in ("Cn", "Co") else category[0], []).append(character)
    return categories


# White space of tiktoken and of Python, and characters that look like it and are not.
_SPACES = [*" \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000"]
_SPACES += [*"\u200b\u200c\u2060\ufeff"]
_WORDS = ["the", "Tale", "don", "STAR", "naïve", "Größe", "звезда", "αστέρι", "نجم", "कहानी", "星図", "이야기", "นิทาน"]
_CONTRACTIONS = ["'s", "'t", "'m", "'d", "'ll", "'ve", "'re", "'S", "'LL", "'", "’s", "''"]
_OTHERS = [
    "<|endoftext|>",
    "👩‍👩‍👧‍👦",
    "🏳️‍🌈",
    "🇫🇷",
    "👍🏽",
    "e\u0301",
    "\0",
    "\ufffd",
    "1,000.50",
    "x²",
    "٣٤",
    "Ⅷ",
    "½",
]


class RandomTexts:
    """Seeded texts of letters and digits of all scripts, marks, emoji, white space, contractions, anything."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._pools = [*_by_category().values(), _WORDS, _WORDS, _CONTRACTIONS, _OTHERS, _SPACES, _SPACES]

    def text(self) -> str:
        """Return the next text: up to 24 runs, each of one kind, often with spaces between."""
        draw = self._random
        runs: list[str] = []
        for _ in range(draw.randint(1, 24)):
            runs += draw.choices(draw.choice(self._pools), k=draw.choice((1, 1, 1, 2, 3, 8)))
            runs.append(draw.choice(("", " ", " ", "  ", "\n")))
        return "".join(runs)
