"""`starchart train`: train a GPT-2 on texts, and write it as files that transformers reads too."""

import argparse
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from starchart.errors import TrainingError
from starport.training.options import DEFAULT_SHAPE, Schedule, TrainingOptions
from starport.training.settings import TrainingSettings

SUMMARY = "Train a GPT-2 on text files, from random weights or from a model."
_EXTRA = "training needs PyTorch and a few libraries: pip install '.[train]' in the folder of the project"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    add = parser.add_argument
    add(
        "texts", nargs="+", metavar="TEXT",
        help="UTF-8 text: one document, or several separated by lines that are <|endoftext|>",
    )  # fmt: skip
    add("--out", required=True, metavar="DIR", help="folder for the model, checkpoints and losses.csv")
    add(
        "--resume",
        action="store_true",
        help="continue from the newest checkpoint in DIR, with the options of that run",
    )
    add(
        "--valid",
        action="append",
        default=[],
        metavar="TEXT",
        help="validation text, which is not trained on (repeatable)",
    )
    add(
        "--from",
        dest="start",
        metavar="MODEL",
        help="start from the weights and the vocabulary of this model: a folder or a file, or towel",
    )
    add("--vocab", metavar="DIR", help="folder of the vocabulary to use (default: train one on the texts)")
    add("--vocab-size", type=int, default=4096, metavar="V", help="size of a new vocabulary in tokens (default: 4096)")
    _add_model_arguments(parser.add_argument_group("model"))
    _add_training_arguments(parser.add_argument_group("training"))
    _add_running_arguments(parser.add_argument_group("run"))


def _add_model_arguments(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--n-layer", type=int, metavar="L", help="transformer blocks (default: 6)")
    add("--n-head", type=int, metavar="H", help="attention heads per block (default: 8)")
    add("--n-embd", type=int, metavar="C", help="channels: the width of the residual stream (default: 256)")
    add("--n-positions", type=int, metavar="P", help="maximum context length in tokens (default: 512)")
    add(
        "--save-as", default="float32", choices=["float32", "float16", "bfloat16"],
        help="dtype of the final model's weights (default: float32)",
    )  # fmt: skip


def _add_training_arguments(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    length = group.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, metavar="N", help="optimizer steps (default: one epoch)")
    length.add_argument(
        "--epochs",
        type=float,
        metavar="E",
        help="length as passes over the texts, instead of --steps; may be a fraction",
    )
    add("--context", type=int, metavar="T", help="tokens per window (default: --n-positions)")
    add("--batch-size", type=int, metavar="B", help="windows per batch, over all processes (default: 8)")
    add("--accumulate", type=int, metavar="N", help="gradient accumulation: batches per optimizer step (default: 1)")
    add(
        "--optimizer", choices=["adamw", "muon"],
        help="adamw, or muon: Muon for the matrices of the blocks and AdamW for the rest (default: adamw)",
    )  # fmt: skip
    add("--learning-rate", type=float, metavar="R", help="peak learning rate (default: 0.001)")
    add(
        "--final-learning-rate", type=float, metavar="X",
        help="final learning rate / peak, where the cosine decay ends (default: 0)",
    )  # fmt: skip
    add("--warmup-steps", type=int, metavar="N", help="steps of linear warmup to the peak (default: 100)")
    add("--weight-decay", type=float, metavar="W", help="weight decay, on matrices only (default: 0.1)")
    add("--beta1", type=float, metavar="X", help="AdamW's beta1, the decay of the first moment (default: 0.9)")
    add("--beta2", type=float, metavar="X", help="AdamW's beta2, the decay of the second moment (default: 0.99)")
    add("--clip", type=float, metavar="X", help="gradient-norm clipping; 0: off (default: 1)")
    add("--dropout", type=float, metavar="P", help="dropout probability (default: 0)")
    add("--seed", type=int, metavar="S", help="seed of the initial weights, the windows and dropout (default: 0)")


def _add_running_arguments(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--device", default="auto", metavar="NAME", help="cpu, cuda or cuda:1 (default: a GPU if there is one)")
    add(
        "--precision", default="auto", choices=["auto", "float32", "bfloat16"],
        help="dtype of matrix products; weights are always float32 (default: bfloat16 if the hardware supports it)",
    )  # fmt: skip
    add("--save-every", type=int, default=500, metavar="N", help="steps between checkpoints (default: 500)")
    add("--validate-every", type=int, default=500, metavar="N", help="steps between validations (default: 500)")
    add("--keep", type=int, default=2, metavar="N", help="checkpoints to keep, the newest (default: 2)")


def run(options: argparse.Namespace) -> None:
    """Train, and write the model. Raises StarchartError for bad input."""
    asked = TrainingOptions(
        texts=options.texts,
        valid=options.valid,
        out=options.out,
        resume=options.resume,
        start=options.start,
        vocab=options.vocab,
        vocab_size=options.vocab_size,
        shape=_given(options, DEFAULT_SHAPE),
        settings=_given(options, (field.name for field in fields(TrainingSettings))),
        epochs=options.epochs,
        save_as=options.save_as,
        device=options.device,
        precision=options.precision,
        schedule=Schedule(options.save_every, options.validate_every, options.keep),
    )
    try:
        from starport.training.train import train  # noqa: PLC0415  only this command needs PyTorch
    except ModuleNotFoundError as error:
        raise TrainingError(f"there is no {error.name} here; {_EXTRA}") from None
    train(asked)


def _given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Return the options of these names that were given."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}
