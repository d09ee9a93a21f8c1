"""A vocabulary as files have it: tokens and merges as text, in GPT-2's byte alphabet; special tokens as they are."""

from starchart.tokenizer.byte_alphabet import to_alphabet
from starchart.tokenizer.vocabulary import Vocabulary


def written_tokens(vocabulary: Vocabulary) -> dict[str, int]:
    """Return every token with its id, in the order of the ids, as in vocab.json."""
    special = {i: token for token, i in vocabulary.special_tokens.items()}
    return {special.get(i) or to_alphabet(raw): i for i, raw in sorted(vocabulary.token_bytes.items())}


def written_merges(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """Return the merges in the order they were learned, as in merges.txt."""
    token = {i: text for text, i in written_tokens(vocabulary).items()}
    pairs = sorted(vocabulary.ranks, key=vocabulary.ranks.__getitem__)
    return [(token[left], token[right]) for left, right in pairs]
