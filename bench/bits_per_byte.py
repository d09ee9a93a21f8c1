"""Bits per byte of models on one text, by one recipe: the table of docs/TOWEL.md.

    python bench/bits_per_byte.py valid.txt --model towel --model models/tales-6m [--out FILE]

The recipe is that of `starchart score`: documents at lines <|endoftext|>, each read after one such token, windows of
512 tokens that begin 511 apart, every token predicted once. PyTorch computes, in float32.
"""

import argparse
import platform
import sys
from datetime import date
from math import prod
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

import torch  # noqa: E402

from starchart import GPT2  # noqa: E402
from starchart.checkpoints.safetensors.reader import open_safetensors  # noqa: E402
from starport.commands.open_model import choose_model  # noqa: E402
from starport.engines.tensors import default_device  # noqa: E402
from starport.engines.torch_engine import TorchEngine  # noqa: E402
from starport.scoring.documents import read_documents  # noqa: E402
from starport.scoring.score import score  # noqa: E402
from starport.scoring.windows import Recipe  # noqa: E402

CONTEXT = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    documents = read_documents([options.text])
    lines = [
        f"{date.today()}, CPython {platform.python_version()}, torch {torch.__version__}, float32, {default_device()}",
        f"{Path(options.text).name}: {len(documents)} documents; context {CONTEXT}, stride {CONTEXT - 1}",
        f"{'model':<12} {'parameters':>11} {'bytes':>11} {'tokens':>8} {'perplexity':>11} {'bits per byte':>14}",
    ]
    lines += [row(name, documents) for name in options.model]
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def row(name: str, documents: list[str]) -> str:
    model = choose_model(name)
    parameters = sum(prod(tensor.shape) for tensor in open_safetensors(model.folder / "model.safetensors").values())
    size = (model.folder / "model.safetensors").stat().st_size
    recipe = Recipe(CONTEXT, CONTEXT - 1, model.tokenizer.end_of_text)
    with GPT2.from_pretrained(model.folder, TorchEngine(default_device(), "float32")) as gpt2:
        found = score(documents, model.tokenizer, gpt2.log_probabilities, recipe)
    return (
        f"{model.folder.name:<12} {parameters:>11,} {size:>11,} {found.tokens:>8,} {found.perplexity:>11.3f}"
        f" {found.bits_per_byte:>14.4f}"
    )


if __name__ == "__main__":
    main()
