"""The character table against tiktoken's regex engine, and against single characters known from the standard."""

import pytest

from starchart.tokenizer.characters import LETTERS, NUMBERS, WHITE_SPACE

TABLES = [(r"\p{L}", LETTERS), (r"\p{N}", NUMBERS), (r"\s", WHITE_SPACE)]


def members(table: str) -> set[int]:
    found: set[int] = set()
    for entry in table.split():
        first, _, last = entry.partition("-")
        found.update(range(int(first, 16), int(last or first, 16) + 1))
    return found


@pytest.mark.parametrize(("character_class", "table"), TABLES)
def test_table_equals_tiktoken_on_every_code_point(character_class: str, table: str) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))  # all but the surrogates
    ranks = {bytes([byte]): byte for byte in range(256)}
    # What the pattern does not match, tiktoken drops.
    encoding = tiktoken.Encoding("class", pat_str=character_class, mergeable_ranks=ranks, special_tokens={})
    matched = set(map(ord, encoding.decode(encoding.encode_ordinary(every))))
    assert matched
    assert members(table) == matched


@pytest.mark.parametrize(
    ("character", "kind"),
    [
        ("A", "letter"),
        ("ª", "letter"),
        ("\u4e00", "letter"),
        ("\U000105c0", "letter"),  # new in Unicode 16.0
        ("\U00010940", "other"),  # new in Unicode 17.0
        ("7", "number"),
        ("²", "number"),
        ("Ⅷ", "number"),
        ("\u0969", "number"),
        ("\u0301", "other"),  # a combining accent
        ("_", "other"),
        ("\x85", "white space"),
        ("\u3000", "white space"),
        ("\x1c", "other"),  # white space for Python
        ("\u200b", "other"),  # zero-width space
    ],
)
def test_known_characters(character: str, kind: str) -> None:
    kinds = {"letter": LETTERS, "number": NUMBERS, "white space": WHITE_SPACE}
    assert [name for name, table in kinds.items() if ord(character) in members(table)] == [kind] * (kind != "other")
