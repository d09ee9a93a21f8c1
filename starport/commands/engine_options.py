"""The options that select a model and an engine. Every command that runs a model has the same ones."""

import argparse

VARIABLE = "STARCHART_MODEL"
REVISION_HELP = "branch, tag or commit of a model of the hub (default: main)"
# The precisions of each engine; the first is its default.
PRECISIONS = {
    "packed": ("full", "fast"),
    "reference": ("full",),
    "torch": ("float32", "float64", "bfloat16"),
}


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Declare --model, and what `add_engine_choice` declares."""
    parser.add_argument(
        "--model", metavar="NAME|DIR|FILE",
        help="a folder, or a file of weights (safetensors, PyTorch, GGUF, TensorFlow, llm.c, npz); a model of the"
        " Hugging Face Hub (gpt2, gpt2-medium, gpt2-large, gpt2-xl, distilgpt2, ORG/NAME), downloaded if it is not"
        " cached; or towel, the small model that comes with starchart (default: the value of the environment variable"
        f" {VARIABLE}; else gpt2 if it is cached or can be downloaded; else towel)",
    )  # fmt: skip
    add_engine_choice(parser, "packed")


def add_engine_choice(parser: argparse.ArgumentParser, default: str) -> None:
    """Declare --revision, --engine, --precision, --workers, --device and --no-pack-cache."""
    add = parser.add_argument
    add("--revision", metavar="REV", help=REVISION_HELP)
    add(
        "--engine", default=default, choices=list(PRECISIONS),
        help="packed: fast, with big integers; reference: slow, with plain lists and exact sums; torch: PyTorch, if"
        " installed (default: %(default)s)",
    )  # fmt: skip
    add(
        "--precision", choices=list(dict.fromkeys(name for names in PRECISIONS.values() for name in names)),
        help="packed: full (the default; more exact than float32) or fast (KL divergence below 5e-4 nats per token);"
        " torch: float32 (the default), float64 or bfloat16",
    )  # fmt: skip
    add(
        "--workers", type=int, metavar="N",
        help="processes of the packed engine (default: one per available processor; 1 for a small model)",
    )  # fmt: skip
    add(
        "--device",
        metavar="NAME",
        help="device of the torch engine: cpu, cuda or cuda:1 (default: a GPU if there is one)",
    )
    add("--no-pack-cache", action="store_true", help="do not read or write packed models on disk")
