"""The vocabulary of a converted model: as files beside the weights, or inside the file (GGUF).

The files are vocab.json and merges.txt, written from the vocabulary that was read. No file of the source is copied: a
file that was not read, such as a tokenizer.json beside them, can be a link to anything on this machine.
"""

from pathlib import Path

from starchart.checkpoints.gguf.writer import GGUFVocabulary
from starchart.errors import NoVocabularyError, VocabularyError
from starchart.files.json_file import shown
from starchart.model.config import GPT2Config
from starchart.tokenizer.tokenizer import END_OF_TEXT
from starchart.tokenizer.training_files import save_vocabulary
from starchart.tokenizer.vocabulary import Vocabulary, make_vocabulary
from starchart.tokenizer.vocabulary_files import read_vocabulary
from starchart.tokenizer.written_vocabulary import written_merges, written_tokens

WRITTEN = ("vocab.json", "merges.txt")


def source_vocabulary(source: Path) -> Vocabulary | None:
    """Return the vocabulary of a model, or None if it has none. Raises VocabularyError if it is damaged."""
    try:
        return read_vocabulary(source)
    except NoVocabularyError:
        return None


def write_vocabulary(folder: Path, vocabulary: Vocabulary) -> None:
    """Write vocab.json and merges.txt into `folder`. Raises VocabularyError if that is impossible."""
    tokens, merges = written_tokens(vocabulary), written_merges(vocabulary)
    lost = vocabulary.special_tokens.keys() - make_vocabulary(tokens, merges).special_tokens.keys()
    if lost:
        token = shown(min(lost))
        raise VocabularyError(f"the special token {token} is made by a merge too, which vocab.json cannot represent")
    save_vocabulary(folder, tokens, merges)


def gguf_vocabulary(vocabulary: Vocabulary, config: GPT2Config) -> GGUFVocabulary:
    """Return a vocabulary in the form of GGUF. Its end-of-text token is the first one in the configuration."""
    tokens = written_tokens(vocabulary)
    listed: list[str | None] = [None] * (max(tokens.values()) + 1)
    for token, i in tokens.items():
        listed[i] = token
    ends = [i for i in config.eos_token_ids if 0 <= i < config.vocab_size]
    end = ends[0] if ends else vocabulary.special_tokens.get(END_OF_TEXT)
    merges = [f"{left} {right}" for left, right in written_merges(vocabulary)]
    return GGUFVocabulary(listed, vocabulary.special_tokens, merges, end)
