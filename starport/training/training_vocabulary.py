"""The vocabulary of a training: given by --vocab, that of the model of --from, or trained on the texts."""

from collections.abc import Sequence
from pathlib import Path

from starchart import Tokenizer
from starchart.errors import TrainingError
from starchart.tokenizer.tokenizer import named_vocabulary
from starchart.tokenizer.trainer import train_bpe
from starchart.tokenizer.training_files import save_vocabulary
from starport.conversion.vocabulary import write_vocabulary

BYTES = 256


def lay_vocabulary(folder: Path, texts: Sequence[str], given: str | None, vocab_size: int) -> None:
    """Write the vocabulary of `given`, a folder or a model, into `folder`; without it train one on the texts.

    Raises TrainingError or VocabularyError for a vocabulary or a folder that cannot be used.
    """
    vocabulary = named_vocabulary(given) if given else None
    if vocabulary:
        end_of_text(Tokenizer(vocabulary))  # raises TrainingError if it has no end of text
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if vocabulary:
            write_vocabulary(folder, vocabulary)
    except OSError as error:
        raise TrainingError(f"{error.filename or folder}: {error.strerror}; choose another --out") from None
    if not vocabulary:
        lines = (line for text in texts for line in text.splitlines(keepends=True))
        save_vocabulary(folder, *train_bpe(lines, vocab_size))


def end_of_text(tokenizer: Tokenizer) -> int:
    """Return the id of <|endoftext|>, or raise TrainingError if the vocabulary has none."""
    if tokenizer.end_of_text is None:
        raise TrainingError("the vocabulary has no <|endoftext|>, which stands between documents; use another --vocab")
    return tokenizer.end_of_text
