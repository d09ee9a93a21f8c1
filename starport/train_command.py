"""`starchart train`: texts in, a GPT-2 out, in the files that transformers reads too."""

import argparse

from starchart.errors import TrainingError

SUMMARY = "Train a GPT-2 on text files, or go on training one."
_EXTRA = "training needs PyTorch and a few libraries: pip install '.[train]' in the folder of the project"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    add = parser.add_argument
    add(
        "texts", nargs="+", metavar="TEXT",
        help="UTF-8 text; a line <|endoftext|> stands between documents",
    )  # fmt: skip
    add("--out", required=True, metavar="DIR", help="folder for the model, its checkpoints and losses.csv")
    add(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint in DIR, with its options",
    )
    add(
        "--valid",
        action="append",
        default=[],
        metavar="TEXT",
        help="text to validate on, never trained on (repeatable)",
    )
    add(
        "--from",
        dest="start",
        metavar="MODEL",
        help="begin with this model, folder or file, and its vocabulary",
    )
    add("--vocab", metavar="DIR", help="vocab.json and merges.txt to use (default: train them on the texts)")
    add("--vocab-size", type=int, default=4096, metavar="V", help="tokens of a new vocabulary; default 4096")
    _add_model_arguments(parser.add_argument_group("the model"))
    _add_training_arguments(parser.add_argument_group("the training"))
    _add_running_arguments(parser.add_argument_group("the run"))


def _add_model_arguments(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--n-layer", type=int, metavar="L", help="blocks; default 6")
    add("--n-head", type=int, metavar="H", help="heads; default 8")
    add("--n-embd", type=int, metavar="C", help="channels; default 256")
    add("--n-positions", type=int, metavar="P", help="longest text that it reads, in tokens; default 512")
    add("--save-as", default="float32", choices=["float32", "float16", "bfloat16"], help="numbers of the final model")


def _add_training_arguments(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    length = group.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, metavar="N", help="changes of the weights; default: 1 epoch")
    length.add_argument("--epochs", type=float, metavar="E", help="how often the texts are read instead")
    add("--context", type=int, metavar="T", help="tokens of a window; default: n-positions")
    add("--batch-size", type=int, metavar="B", help="windows at once, over all processes; default 8")
    add("--accumulate", type=int, metavar="N", help="batches a step; default 1")
    add(
        "--optimizer", choices=["adamw", "muon"],
        help="adamw (default), or muon for the matrices of the blocks and adamw for the rest",
    )  # fmt: skip
    add("--learning-rate", type=float, metavar="R", help="the highest; default 0.001")
    add("--final-learning-rate", type=float, metavar="X", help="the last, as a share of it; default 0")
    add("--warmup-steps", type=int, metavar="N", help="steps to the highest; default 100")
    add("--weight-decay", type=float, metavar="W", help="of matrices; default 0.1")
    add("--beta1", type=float, metavar="X", help="default 0.9")
    add("--beta2", type=float, metavar="X", help="default 0.99")
    add("--clip", type=float, metavar="X", help="largest norm of the gradient; 0: any; default 1")
    add("--dropout", type=float, metavar="X", help="share of numbers; default 0")
    add("--seed", type=int, metavar="S", help="of weights, windows and dropout; default 0")


def _add_running_arguments(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--device", default="auto", metavar="NAME", help="cpu, cuda, cuda:1; default: a GPU if there is one")
    add(
        "--precision", default="auto", choices=["auto", "float32", "bfloat16"],
        help="of the products; weights are float32 always; default: bfloat16 where the machine has it",
    )  # fmt: skip
    add("--save-every", type=int, default=500, metavar="N", help="steps between checkpoints; default 500")
    add("--validate-every", type=int, default=500, metavar="N", help="steps between validations; default 500")
    add("--keep", type=int, default=2, metavar="N", help="how many checkpoints to keep; default 2")


def run(options: argparse.Namespace) -> None:
    """Train, and write the model. Raises StarchartError for whatever is wrong with the input."""
    for name in ("save_every", "validate_every", "keep"):
        if getattr(options, name) < 1:
            raise TrainingError(f"--{name.replace('_', '-')} {getattr(options, name)}: it must be at least 1")
    try:
        from starport.training.train import train  # noqa: PLC0415  only this command needs PyTorch
    except ModuleNotFoundError as error:
        raise TrainingError(f"there is no {error.name} here; {_EXTRA}") from None
    train(options)
