"""The vocabulary of a model that is converted: as files beside the weights, or inside the file, as GGUF has it."""

import shutil
from pathlib import Path

from starchart.checkpoints.gguf.writer import GGUFVocabulary
from starchart.errors import NoVocabularyError, VocabularyError
from starchart.model.config import GPT2Config
from starchart.tokenizer.tokenizer import END_OF_TEXT
from starchart.tokenizer.training_files import save_vocabulary
from starchart.tokenizer.vocabulary import Vocabulary
from starchart.tokenizer.vocabulary_files import read_vocabulary
from starchart.tokenizer.written_vocabulary import written_merges, written_tokens

COPIED = ("vocab.json", "merges.txt", "added_tokens.json", "tokenizer.json")
_WRITTEN = COPIED[:2]


def source_vocabulary(source: Path) -> Vocabulary | None:
    """Return the vocabulary of a model, or None if it has none. Raises VocabularyError for one that is damaged."""
    try:
        return read_vocabulary(source)
    except NoVocabularyError:
        return None


def vocabulary_sources(source: Path, vocabulary: Vocabulary) -> list[Path]:
    """Return the files beside a model that may be copied, since they hold its vocabulary; none if it is elsewhere."""
    files = [file for name in COPIED if (file := _folder(source) / name).is_file()]
    try:
        return files if files and read_vocabulary(_folder(source)) == vocabulary else []
    except VocabularyError:
        return []


def vocabulary_names(files: list[Path]) -> list[str]:
    """Return the names of what `write_vocabulary` writes."""
    return [file.name for file in files] or list(_WRITTEN)


def write_vocabulary(folder: Path, vocabulary: Vocabulary, files: list[Path]) -> None:
    """Copy the files of a vocabulary into `folder`, or write new ones. Raises OSError, VocabularyError."""
    for file in files:
        shutil.copyfile(file, folder / file.name)
    if not files:
        save_vocabulary(folder, written_tokens(vocabulary), written_merges(vocabulary))


def gguf_vocabulary(vocabulary: Vocabulary, config: GPT2Config) -> GGUFVocabulary:
    """Return a vocabulary as GGUF has it. The end of a text is the first that the configuration has."""
    tokens = written_tokens(vocabulary)
    texts: list[str | None] = [None] * (max(tokens.values()) + 1)
    for text, i in tokens.items():
        texts[i] = text
    ends = [i for i in config.eos_token_ids if 0 <= i < config.vocab_size]
    end = ends[0] if ends else vocabulary.special_tokens.get(END_OF_TEXT)
    merges = [f"{left} {right}" for left, right in written_merges(vocabulary)]
    return GGUFVocabulary(texts, vocabulary.special_tokens, merges, end)


def _folder(source: Path) -> Path:
    return source if source.is_dir() else source.parent
