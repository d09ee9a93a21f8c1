"""Small trainings on a made-up text, by the command line."""

import csv
import os
import random
import sys
from pathlib import Path

from starport.cli import main

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
WORDS = [
    "the",
    "a",
    "fox",
    "hound",
    "hill",
    "king",
    "wood",
    "one",
    "two",
    "sang",
    "slept",
    "ran",
    "over",
    "and",
    "never",
]
SHAPE = ("--vocab-size", "300", "--n-layer", "2", "--n-head", "3", "--n-embd", "15", "--n-positions", "16")
SHORT = (*SHAPE, "--steps", "12", "--batch-size", "4", "--save-every", "4", "--warmup-steps", "3")
EXACT = ("--precision", "float32", "--device", "cpu")


def write_text(file: Path, documents: int = 6, seed: int = 1) -> str:
    """Write documents of random words, with a line <|endoftext|> between them, and return the file's name."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(WORDS, k=90)) + "." for _ in range(documents)]
    file.write_text("\n<|endoftext|>\n".join(texts) + "\n", encoding="utf-8", newline="\n")
    return str(file)


def train(*arguments: object) -> int:
    """Run `starchart train` and return its exit code."""
    return main(["train", *map(str, arguments)])


def losses(folder: Path) -> list[float]:
    """Return the loss of every step in losses.csv."""
    return [float(row["loss"]) for row in rows(folder)]


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of losses.csv."""
    with (folder / "losses.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
