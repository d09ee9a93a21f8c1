"""A vocabulary as the tokenizer uses it: the bytes of every id, the merges as pairs of ids, and the special tokens.

The tokens and merges that come in are written in GPT-2's alphabet. Whatever could make an encoding or a decoding
fail later is refused here, so a tokenizer that was made works on every text.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from starchart.errors import VocabularyError
from starchart.files.json_file import shown
from starchart.tokenizer.byte_alphabet import ALPHABET, from_alphabet
from starchart.tokenizer.byte_pair_encoding import Pair

MAX_ID = (1 << 31) - 1  # the largest that other programs take: their ids have 32 bits
MAX_TOKENS = 1 << 19  # ten times GPT-2's, and as many merges: 110 MB


@dataclass(frozen=True)
class Vocabulary:
    """Checked tokens and merges, in the form that encoding and decoding need."""

    token_bytes: dict[int, bytes]  # id -> what it decodes to
    byte_ids: list[int]  # byte -> id of the token that is this byte alone
    ranks: dict[Pair, int]  # two neighbouring ids -> the place of their merge
    merged: list[int]  # the place of a merge -> the id it makes
    special_tokens: dict[str, int]  # text -> id; made by no merge
    padding: int = field(default=0, compare=False)  # ids after the last one, which the file declares unused


def make_vocabulary(
    ids: Mapping[str, int],
    merges: Iterable[tuple[str, str]],
    special: Iterable[str] | None = None,
    *,
    ids_name: str = "vocabulary",
    merge_name: str = "merge",
    first: int = 1,
) -> Vocabulary:
    """Return a checked vocabulary from tokens with their ids and the merges in the order they were learned.

    special: the tokens that are written as their own text. None if the file does not list them, as vocab.json: then
    they are the tokens that are neither a byte nor made by a merge. `ids_name` and `merge_name` are for error messages;
    a merge is named by `merge_name` and its number, counted from `first`.

    Raises VocabularyError: an id that is not an integer from 0 to MAX_ID or is given twice, a byte without a token, a
    merge that is there twice, has no id for its result, or uses a token that no earlier merge makes.
    """
    if len(ids) > MAX_TOKENS:
        raise VocabularyError(f"{ids_name}: has {len(ids)} tokens; the limit is {MAX_TOKENS}")
    _check_ids(ids, ids_name)
    byte_ids = [ids[character] for character in ALPHABET]
    token_bytes = {byte_id: bytes([byte]) for byte, byte_id in enumerate(byte_ids)}
    ranks: dict[Pair, int] = {}
    merged: list[int] = []
    for left, right in merges:
        try:
            pair, new = (ids[left], ids[right]), ids[left + right]
            token_bytes[new] = token_bytes[pair[0]] + token_bytes[pair[1]]
        except KeyError:
            raise VocabularyError(f"{merge_name} {first + len(merged)}: {_fault(left, right, ids)}") from None
        if ranks.setdefault(pair, len(merged)) != len(merged):
            fault = f"{shown(left)} {shown(right)} is there twice; remove one"
            raise VocabularyError(f"{merge_name} {first + len(merged)}: {fault}")
        merged.append(new)
    if special is None:
        special = [token for token, i in ids.items() if i not in token_bytes]
    special_tokens = {token: ids[token] for token in special}
    for token, i in ids.items():
        if i not in token_bytes or token in special_tokens:
            token_bytes[i] = _literal_bytes(token, token in special_tokens, ids_name)
    return Vocabulary(token_bytes, byte_ids, ranks, merged, special_tokens)


def _check_ids(ids: Mapping[str, int], name: str) -> None:
    taken: dict[int, str] = {}
    for token, i in ids.items():
        if type(i) is not int or not 0 <= i <= MAX_ID:
            fault = f"the id of {shown(token)} is {shown(i)}; it must be an integer from 0 to {MAX_ID}"
            raise VocabularyError(f"{name}: {fault}")
        if i in taken:
            fault = f"{shown(taken[i])} and {shown(token)} both have the id {i}; ids must be different"
            raise VocabularyError(f"{name}: {fault}")
        taken[i] = token
    if "" in ids:
        raise VocabularyError(f"{name}: there is an empty token; remove it")
    missing = [byte for byte, character in enumerate(ALPHABET) if character not in ids]
    if missing:
        raise VocabularyError(
            f"{name}: no token for byte 0x{missing[0]:02X} ({len(missing)} of 256 missing); "
            "a byte-level vocabulary has one for every byte"
        )


def _fault(left: str, right: str, ids: Mapping[str, int]) -> str:
    """Return what is wrong with a merge that could not be followed."""
    merge = f"the merge {shown(left)} {shown(right)}"
    for token in (left, right, left + right):
        if token not in ids:
            return f"{merge} needs the token {shown(token)}, which is not in the vocabulary"
    return f"{merge} uses a token that no earlier merge makes; keep the order of training"


def _literal_bytes(token: str, is_special: bool, name: str) -> bytes:
    """Return the bytes of a token that no merge makes: its own text if it is special, else by the alphabet."""
    try:
        return token.encode() if is_special else from_alphabet(token)
    except (UnicodeEncodeError, KeyError):
        raise VocabularyError(f"{name}: the token {shown(token)} is not written in GPT-2's byte alphabet") from None
