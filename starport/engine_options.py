"""The options that say which model and which engine, the same for every command that runs one, and what they open."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from starchart import GPT2, Tokenizer
from starchart.checkpoints.folder import read_config
from starchart.errors import VocabularyError
from starchart.model.config import GPT2Config
from starport.console import ProgressLine
from starport.hub.find_model import find_model

# Checkpoints pad their vocabulary to a multiple of 64 or 128 for the sake of GPUs; more than that is another
# vocabulary.
_LARGEST_PADDING = 127


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Declare --model, --engine, --precision, --workers and --no-pack-cache."""
    add = parser.add_argument
    add("--model", metavar="NAME|DIR", help="a folder, or a model in the Hugging Face cache (default: gpt2)")
    add(
        "--engine", default="packed", choices=["packed", "reference"],
        help="packed: big integers, fast (default); reference: plain lists and exact sums, slow",
    )  # fmt: skip
    add("--precision", default="full", choices=["full", "fast"], help="of packed: full, closer than float32 (default)")
    add(
        "--workers", type=int, metavar="N",
        help="processes that compute, of packed (default: the processors that are free to use, 1 for a small model)",
    )  # fmt: skip
    add("--no-pack-cache", action="store_true", help="do not keep the packed model on disk, and do not look for it")


@dataclass(frozen=True)
class ChosenModel:
    """A model whose weights are not read yet. `told` says which it is and where it was found."""

    folder: Path
    told: str
    tokenizer: Tokenizer
    config: GPT2Config


def choose_model(name: str | None) -> ChosenModel:
    """Return the model that --model names. Raises StarchartError if it is not there, damaged or does not fit itself."""
    folder, told = find_model(name)
    tokenizer, config = Tokenizer.from_pretrained(folder), read_config(folder)
    check_vocabulary(tokenizer, config.vocab_size)
    return ChosenModel(folder, told, tokenizer, config)


def check_vocabulary(tokenizer: Tokenizer, vocab_size: int) -> None:
    """Raise VocabularyError unless the tokenizer's ids are those of a model with `vocab_size` tokens."""
    if not 0 <= vocab_size - tokenizer.vocab_size <= _LARGEST_PADDING:
        raise VocabularyError(
            f"the vocabulary has {tokenizer.vocab_size} tokens and the model {vocab_size}: they do not belong together;"
            " put the model's own vocab.json and merges.txt beside its weights"
        )


def open_model(chosen: ChosenModel, options: argparse.Namespace) -> tuple[GPT2, ProgressLine]:
    """Return the model on the engine of the options, to be closed, and the line that shows what it is busy with."""
    progress = ProgressLine(f"{chosen.told}: opening it with the {options.engine} engine")
    gpt2 = GPT2.from_pretrained(
        chosen.folder,
        options.engine,
        precision=options.precision,
        workers=options.workers,
        pack_cache=not options.no_pack_cache,
        progress=progress,
    )
    return gpt2, progress
