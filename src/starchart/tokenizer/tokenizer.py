"""The tokenizer of GPT-2: text -> ids -> text, byte-level, so that every text can be encoded and comes back exactly.

Encoding: split into words (`pre_tokenizer`), take the UTF-8 bytes of each, merge them (`byte_pair_encoding`).
Decoding: put the bytes of the tokens together. There is no normalization and no unknown token, and no token is added.

Source: Radford et al. 2019, section 2.2.
"""

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from os import PathLike
from typing import Self

from starchart.box.boxed_model import model_folder
from starchart.box.boxed_vocabulary import boxed_merges
from starchart.errors import VocabularyError
from starchart.files.json_file import shown
from starchart.tokenizer.byte_alphabet import to_alphabet
from starchart.tokenizer.byte_pair_encoding import merge_word
from starchart.tokenizer.pre_tokenizer import repair, split_chunks, split_words
from starchart.tokenizer.vocabulary import Vocabulary, make_vocabulary
from starchart.tokenizer.vocabulary_files import FILES, read_vocabulary, vocabulary_from_merges

END_OF_TEXT = "<|endoftext|>"

MAX_PIECES = 1 << 17  # cached at a time; with MAX_LENGTH this bounds the memory: about 20 MB for English
MAX_LENGTH = 32  # characters; longer pieces hardly ever come twice

# Checkpoints pad their vocabulary to a multiple of 64 or 128, for speed on GPUs. A larger difference means that the
# vocabulary belongs to another model.
_LARGEST_PADDING = 127


def named_vocabulary(model: str | PathLike[str], revision: str | None = None) -> Vocabulary:
    """Return the vocabulary that `Tokenizer.from_pretrained` takes. Raises VocabularyError."""
    if revision is None and (merges := boxed_merges(model)):
        return vocabulary_from_merges(merges, END_OF_TEXT)
    return read_vocabulary(model_folder(model, revision, endings=FILES, error=VocabularyError))


class _PieceIds(dict[str, tuple[int, ...]]):
    """A cache: the ids of the pieces of text so far. Most pieces of a text occur many times.

    A full cache is emptied. Frequent pieces are soon in it again, and nothing has to count how often each is used.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def __missing__(self, piece: str) -> tuple[int, ...]:
        words = split_words(piece)
        ids = self._merge(piece) if len(words) == 1 else tuple(chain.from_iterable(map(self.__getitem__, words)))
        if len(piece) <= MAX_LENGTH:
            if len(self) >= MAX_PIECES:
                self.clear()
            self[piece] = ids
        return ids

    def _merge(self, word: str) -> tuple[int, ...]:
        vocabulary = self._vocabulary
        byte_ids = vocabulary.byte_ids
        return tuple(merge_word([byte_ids[byte] for byte in word.encode()], vocabulary.ranks, vocabulary.merged))


class Tokenizer:
    """Turns text into ids and ids into text. `vocab_size` is one more than the largest id.

    `padding` is the number of further ids, which its file declares unused.

    `special_tokens` maps the text of each special token to its id; `end_of_text` is the id of <|endoftext|>, or None.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._token_bytes = vocabulary.token_bytes
        self._special_texts = {i: text for text, i in vocabulary.special_tokens.items()}
        self._ids_of = _PieceIds(vocabulary).__getitem__
        self.vocab_size = max(vocabulary.token_bytes) + 1
        self.padding = vocabulary.padding
        self.special_tokens: Mapping[str, int] = dict(vocabulary.special_tokens)
        self.end_of_text = self.special_tokens.get(END_OF_TEXT)

    def __repr__(self) -> str:
        return f"Tokenizer({self.vocab_size} tokens, end of text: {self.end_of_text})"

    @classmethod
    def from_pretrained(cls, model: str | PathLike[str], *, revision: str | None = None) -> Self:
        """Return the tokenizer of a folder, of a GGUF file, of GPT-2, of "towel", or of a cached model.

        The vocabularies of towel and of GPT-2 are in the box; the names of GPT-2's are "gpt2", "gpt2-medium",
        "gpt2-large", "gpt2-xl" and "distilgpt2". A cached model is one of the Hugging Face Hub ("ORG/NAME") that is in
        its cache, at `revision` (a branch, a tag or a commit). Nothing is downloaded. A file or folder that exists is
        used first.

        A folder holds vocab.json and merges.txt, or tokenizer.json alone, or a GGUF file. A GGUF file has its own.

        Raises VocabularyError for a model that is missing, damaged or not GPT-2's.
        """
        return cls(named_vocabulary(model, revision))

    @classmethod
    def from_merges(cls, ids: Mapping[str, int], merges: Iterable[tuple[str, str]]) -> Self:
        """Return the tokenizer of tokens with their ids and merges, as the trainer gives them.

        Raises VocabularyError where they do not fit together.
        """
        return cls(make_vocabulary(ids, merges))

    def encode(self, text: str, *, allow_special: bool = False) -> list[int]:
        """Return the ids of a text. <|endoftext|> is one id only with `allow_special`, otherwise text like any other.

        A lone surrogate, which no UTF-8 text can hold, counts as U+FFFD. Raises VocabularyError if `text` is not a
        string.
        """
        if not isinstance(text, str):
            raise VocabularyError(f"a text is wanted, not {type(text).__name__}; decode bytes, or use decode() for ids")
        text = repair(text)
        if not allow_special or not self.special_tokens:
            return self._encode(text)
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        ids = []
        # With a group, re.split returns the text between the special tokens and these tokens in turn.
        for number, part in enumerate(re.split(f"({'|'.join(map(re.escape, longest_first))})", text)):
            ids.extend([self.special_tokens[part]] if number % 2 else self._encode(part))
        return ids

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for chunks in split_chunks(text):
            ids.extend(chain.from_iterable(map(self._ids_of, chunks)))
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes of the tokens, put together. Raises VocabularyError for an id that no token has."""
        wanted = list(ids)  # first, so that a KeyError in making the ids is not taken for an unknown id
        try:
            return b"".join(map(self._token_bytes.__getitem__, wanted))
        except KeyError as unknown:
            raise VocabularyError(
                f"token id {shown(unknown.args[0])} is not in the vocabulary; ids go from 0 to {self.vocab_size - 1}"
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the tokens. Raises VocabularyError for an unknown id.

        Bytes that are not UTF-8 become U+FFFD.
        """
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Return each token as vocab.json writes it: a character of the byte alphabet for each byte, "Ġupon".

        A special token is its own text. Raises VocabularyError for an unknown id.
        """
        return [self._special_texts.get(i) or to_alphabet(self.decode_bytes([i])) for i in ids]

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        """Yield the text of the tokens as they come, whole characters only; the pieces joined are `decode` of all ids.

        A character may be spread over several tokens: it is yielded as soon as its last byte has come. No piece is
        empty. Raises VocabularyError for an unknown id.
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for i in ids:
            if piece := decoder.decode(self.decode_bytes([i])):
                yield piece
        if rest := decoder.decode(b"", final=True):
            yield rest


def check_vocabulary(tokenizer: Tokenizer, vocab_size: int) -> None:
    """Raise VocabularyError unless the tokenizer's ids are those of a model with `vocab_size` tokens."""
    if not 0 <= vocab_size - tokenizer.vocab_size <= max(_LARGEST_PADDING, tokenizer.padding):
        raise VocabularyError(
            f"the vocabulary has {tokenizer.vocab_size} tokens and the model {vocab_size}: they do not belong together;"
            " put the model's own vocab.json and merges.txt beside its weights"
        )
