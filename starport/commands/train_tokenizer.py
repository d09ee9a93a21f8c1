"""`starchart train-tokenizer`: train a vocabulary on text files, and write vocab.json and merges.txt."""

import argparse
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

from starchart.errors import VocabularyError
from starchart.tokenizer.trainer import train_bpe
from starchart.tokenizer.training_files import decoded_lines, read_lines, save_vocabulary
from starport.terminal.console import tell
from starport.terminal.given_text import read_standard_input

SUMMARY = "Train a byte-level BPE vocabulary on text files."
BYTES = 256
FILES = ("vocab.json", "merges.txt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="UTF-8 text; -: standard input")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for vocab.json and merges.txt")
    parser.add_argument(
        "--vocab-size", type=int, default=4096, metavar="N", help="size of the vocabulary in tokens (default: 4096)"
    )
    parser.add_argument(
        "--min-frequency",
        type=int,
        default=2,
        metavar="N",
        help="merge only pairs that occur at least N times (default: 2)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing vocabulary in DIR")


def run(options: argparse.Namespace) -> None:
    """Train, and write both files. Raises VocabularyError for a bad option or file."""
    if options.vocab_size <= BYTES:
        raise VocabularyError(
            f"--vocab-size {options.vocab_size}: it must be above {BYTES}: one for each byte, and <|endoftext|>"
        )
    if options.min_frequency < 1:
        raise VocabularyError(f"--min-frequency {options.min_frequency}: it must be at least 1")
    folder = _folder(options.out, options.overwrite)
    ids, merges = train_bpe(_lines(options.files), options.vocab_size, min_frequency=options.min_frequency)
    if not merges and options.vocab_size > BYTES + 1:
        names = ", ".join("standard input" if file == "-" else file for file in options.files)
        raise VocabularyError(f"no pair of characters occurs {options.min_frequency} times in {names}: give more text")
    save_vocabulary(folder, ids, merges)
    short = (
        ""
        if len(ids) == options.vocab_size
        else f" (fewer than --vocab-size {options.vocab_size}: the text has no more pairs to merge)"
    )
    tell(f"{len(ids)} tokens{short}: {' and '.join(str(folder / name) for name in FILES)}")


def _lines(files: Sequence[str]) -> Iterator[str]:
    for file in files:
        if file == "-":
            yield from decoded_lines(BytesIO(read_standard_input("give files of text")), "standard input")
        else:
            yield from read_lines([file])


def _folder(name: str, overwrite: bool) -> Path:
    """Return the folder to write to. Refuses to replace a vocabulary: a model may have been trained with its ids."""
    if not name:
        raise VocabularyError("--out is empty; give the folder to write to")
    there = [file for file in FILES if (Path(name) / file).exists()]
    if there and not overwrite:
        raise VocabularyError(f"{name}: holds {' and '.join(there)} already; choose another folder, or add --overwrite")
    return Path(name)
