"""The vocabulary inside a GGUF file; any other than GPT-2's kind is refused.

    tokenizer.ggml.model            "gpt2": byte-level BPE
    tokenizer.ggml.pre              "gpt-2": GPT-2's split into words; older files do not have it
    tokenizer.ggml.tokens           the tokens in the order of their ids
    tokenizer.ggml.token_type       the type of each: 1 normal, 3 control, 4 user-defined, 5 unused
    tokenizer.ggml.merges           "left right", in the order they were learned

Control tokens are our special tokens. Unused tokens at the end are left out: they are padding of the embedding table
and occur in no text. User-defined tokens are refused, as in tokenizer.json: llama.cpp cuts them out of every text
before it is tokenized. Settings that add tokens or a space to a text are refused too. Sources: ggml, docs/gguf.md,
section "Tokenizer"; llama.cpp, enum llama_token_type.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from starchart.errors import VocabularyError
from starchart.files.gguf_header import GGUFFields, TokenType, read_gguf_header
from starchart.files.json_file import shown
from starchart.files.regular_file import open_regular_file
from starchart.tokenizer.vocabulary import Vocabulary, make_vocabulary

_PREFIX = "tokenizer.ggml."
_TOKENS, _TYPES, _MERGES = _PREFIX + "tokens", _PREFIX + "token_type", _PREFIX + "merges"

# For each setting that could change the ids, the value that does not change them.
_SETTINGS = {"model": "gpt2", "pre": "gpt-2", "add_bos_token": False, "add_eos_token": False, "add_space_prefix": False}


def read_gguf_vocabulary(path: Path) -> Vocabulary | None:
    """Return the vocabulary in the GGUF file at `path`, or None if it holds none.

    Raises VocabularyError if it is not of GPT-2's kind, or malformed.
    """
    metadata = _read_metadata(path)
    if _PREFIX + "model" not in metadata:
        return None
    for key, plain in _SETTINGS.items():
        value = metadata.get(_PREFIX + key, plain)
        if value != plain:
            raise VocabularyError(f"{path}: {_PREFIX}{key} is {shown(value)}, GPT-2 has {plain!r}; use a GPT-2")
    listed = _strings(metadata, _TOKENS, path)
    merges = [_pair(merge, number, path) for number, merge in enumerate(_strings(metadata, _MERGES, path), 1)]
    special = _special(listed, metadata[_TYPES], path) if _TYPES in metadata else []
    tokens = listed[: _used(listed, metadata.get(_TYPES, ()), merges)]
    ids: dict[str, int] = {}
    for i, token in enumerate(tokens):
        if ids.setdefault(token, i) != i:
            raise VocabularyError(f"{path}: {_TOKENS}: {shown(token)} has two ids, {ids[token]} and {i}")
    vocabulary = make_vocabulary(
        ids, merges, special or None, ids_name=f"{path}: {_TOKENS}", merge_name=f"{path}: {_MERGES}: merge"
    )
    return replace(vocabulary, padding=len(listed) - len(tokens))


def _read_metadata(path: Path) -> dict[str, Any]:
    try:
        with open_regular_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            fields = GGUFFields(file, size, str(path), VocabularyError)
            return read_gguf_header(fields, (_TOKENS, _TYPES, _MERGES)).metadata
    except OSError as error:
        raise VocabularyError(f"{path}: cannot be read: {error.strerror}") from None


def _strings(metadata: Mapping[str, Any], key: str, path: Path) -> list[str]:
    strings = metadata.get(key)
    if not isinstance(strings, list):  # numbers come as a tuple
        raise VocabularyError(f"{path}: {key} is missing or not an array of strings; convert the model again")
    return strings


def _pair(merge: str, number: int, path: Path) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    if not left or not right or " " in right:
        raise VocabularyError(f"{path}: {_MERGES}: merge {number}: {shown(merge)} is not two tokens")
    return left, right


def _special(tokens: Sequence[str], types: Any, path: Path) -> list[str]:
    """Return the control tokens."""
    if not isinstance(types, tuple) or len(types) != len(tokens):
        raise VocabularyError(f"{path}: {_TYPES} is not one number for each of {len(tokens)} tokens")
    for token, kind in zip(tokens, types, strict=True):
        if kind == TokenType.USER_DEFINED:
            raise VocabularyError(
                f"{path}: the token {shown(token)} is user-defined: llama.cpp takes it out of every text, which is not "
                "done here; use a model whose added tokens are control tokens"
            )
        if kind not in (TokenType.NORMAL, TokenType.CONTROL, TokenType.UNUSED):
            raise VocabularyError(f"{path}: {_TYPES}: {shown(token)} is of type {shown(kind)}; GPT-2 has no such token")
    return [token for token, kind in zip(tokens, types, strict=True) if kind == TokenType.CONTROL]


def _used(tokens: Sequence[str], types: Sequence[int], merges: Sequence[tuple[str, str]]) -> int:
    """Return the number of tokens without the unused ones at the end; a token that a merge makes is not dropped."""
    made = {left + right for left, right in merges}
    count = len(tokens)
    while types and count and types[count - 1] == TokenType.UNUSED and tokens[count - 1] not in made:
        count -= 1
    return count
