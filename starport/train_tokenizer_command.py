"""`starchart train-tokenizer`: text files in, vocab.json and merges.txt out."""

import argparse
import sys

from starchart.errors import GenerationError
from starchart.tokenizer.trainer import train_bpe
from starchart.tokenizer.training_files import read_lines, save_vocabulary

SUMMARY = "Train a byte-level BPE vocabulary on text files."
BYTES = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="UTF-8 text")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for vocab.json and merges.txt")
    parser.add_argument("--vocab-size", type=int, default=4096, metavar="N", help="tokens in all (default 4096)")
    parser.add_argument("--min-frequency", type=int, default=2, metavar="N", help="rarest pair to merge (default 2)")


def run(options: argparse.Namespace) -> None:
    """Train, and write both files. Raises VocabularyError for a file that cannot be read or written."""
    if options.vocab_size <= BYTES:
        raise GenerationError(
            f"--vocab-size {options.vocab_size}: it must be above {BYTES}, one for each byte and <|endoftext|>"
        )
    if options.min_frequency < 1:
        raise GenerationError(f"--min-frequency {options.min_frequency}: it must be at least 1")
    ids, merges = train_bpe(read_lines(options.files), options.vocab_size, min_frequency=options.min_frequency)
    save_vocabulary(options.out, ids, merges)
    print(f"{len(ids)} tokens, {len(merges)} merges: {options.out}/vocab.json and merges.txt", file=sys.stderr)
