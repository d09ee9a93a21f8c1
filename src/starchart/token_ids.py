"""Ids of tokens from outside: whole numbers that the model's vocabulary has."""

from collections.abc import Iterable
from operator import index

from starchart.errors import GenerationError


def checked_ids(ids: Iterable[int], vocab_size: int) -> list[int]:
    """Return `ids` as a list, or raise GenerationError unless they are one or more numbers from 0 to vocab_size - 1."""
    if isinstance(ids, str | bytes):
        raise GenerationError(
            "token ids are wanted, not a text: Tokenizer.from_pretrained(model).encode(text) has them"
        )
    try:
        checked = [index(token) for token in ids]
    except TypeError as error:
        raise GenerationError(f"token ids must be whole numbers, those of one text: {error}") from None
    if not checked:
        raise GenerationError("there are no tokens to read; begin with the end-of-text token")
    for token in checked:
        if not 0 <= token < vocab_size:
            raise GenerationError(f"token id {token} is not one of the model's {vocab_size}: use 0 to {vocab_size - 1}")
    return checked
