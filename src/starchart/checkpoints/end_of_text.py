"""The token that ends a text, from generation_config.json, or from the vocabulary for formats that do not name it.

Such formats are OpenAI's hparams.json and the header of llm.c.
"""

from pathlib import Path

from starchart.errors import ConfigError
from starchart.files.json_file import read_json_file
from starchart.files.regular_file import is_file_or_warn
from starchart.model.config import token_ids

_END_OF_TEXT = "<|endoftext|>"


def generation_end_of_text(folder: Path) -> tuple[int, ...] | None:
    """Return the ids of the end-of-text tokens in generation_config.json, or None if there is no such file.

    Raises ConfigError if it cannot be read.
    """
    path = folder / "generation_config.json"
    if not is_file_or_warn(path):
        return None
    values = read_json_file(path, ConfigError)
    try:
        return token_ids(values.get("eos_token_id"))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def end_of_text(folder: Path, vocab_size: int) -> tuple[int, ...]:
    """Return the ids of the end-of-text tokens of a model in this folder, whose weights do not name them.

    They are those in generation_config.json; without it, that of <|endoftext|> in the vocabulary; without that, the
    last token, as in GPT-2's own vocabulary. Raises ConfigError if one of these files cannot be read.
    """
    ids = generation_end_of_text(folder)
    if ids is not None:
        return ids
    for vocabulary in (folder / "vocab.json", folder / "encoder.json"):
        there = is_file_or_warn(vocabulary)
        found = read_json_file(vocabulary, ConfigError).get(_END_OF_TEXT) if there else None
        if type(found) is int and 0 <= found < vocab_size:
            return (found,)
    return (vocab_size - 1,)
