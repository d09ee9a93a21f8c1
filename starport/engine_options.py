"""The options that say which model and which engine, the same for every command that runs one, and what they open."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from starchart import GPT2, Tokenizer
from starchart.checkpoints.checkpoint import read_config
from starchart.engine import Engine
from starchart.errors import EngineError, StarchartError, VocabularyError
from starchart.files.json_file import shown
from starchart.model.config import GPT2Config
from starport.console import ProgressLine
from starport.hub.find_model import REVISION_HELP, default_model, find_model
from starport.said_before import said_before

VARIABLE = "STARCHART_MODEL"
# Checkpoints pad their vocabulary to a multiple of 64 or 128 for the sake of GPUs; more than that is another
# vocabulary.
_LARGEST_PADDING = 127
# What each engine can compute in; the first is its default.
_PRECISIONS = {
    "packed": ("full", "fast"),
    "reference": ("full",),
    "torch": ("float32", "float64", "bfloat16"),
}


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Declare --model, --revision, --engine, --precision, --workers, --device and --no-pack-cache."""
    add = parser.add_argument
    add(
        "--model", metavar="NAME|DIR|FILE",
        help="a folder, or a file of weights (safetensors, PyTorch, GGUF, TensorFlow, llm.c, npz); a model of the"
        " Hugging Face Hub (gpt2, gpt2-medium, gpt2-large, gpt2-xl, distilgpt2, ORG/NAME), downloaded if it is not"
        " cached; or towel, the small model that comes with starchart (default: what the variable"
        f" {VARIABLE} says; else gpt2 if it is cached or can be downloaded; else towel)",
    )  # fmt: skip
    add("--revision", metavar="REV", help=REVISION_HELP)
    add(
        "--engine", default="packed", choices=list(_PRECISIONS),
        help="packed: big integers, fast; reference: plain lists and exact sums, slow; torch: PyTorch, if installed"
        " (default: packed)",
    )  # fmt: skip
    add(
        "--precision", choices=list(dict.fromkeys(name for names in _PRECISIONS.values() for name in names)),
        help="packed: full, more exact than float32, or fast (default: full); torch: float32, float64 or bfloat16"
        " (default: float32)",
    )  # fmt: skip
    add(
        "--workers", type=int, metavar="N",
        help="processes of the packed engine (default: the processors available, 1 for a small model)",
    )  # fmt: skip
    add("--device", metavar="NAME", help="of the torch engine: cpu, cuda or cuda:1 (default: a GPU if there is one)")
    add("--no-pack-cache", action="store_true", help="do not read or write packed models on disk")


@dataclass(frozen=True)
class ChosenModel:
    """A model whose weights are not read yet.

    `name` is what was asked for, or the default's; `told` says which it is and where it was found; `reason`, which may
    be empty, why the default is not gpt2.
    """

    name: str
    folder: Path
    told: str
    reason: str
    tokenizer: Tokenizer
    config: GPT2Config

    def introduction(self) -> str:
        """Return the line that names the model: `told`, and the reason unless it was said with the last command."""
        is_new = self.reason and not said_before("default-model", self.reason)
        return f"{self.told}, as {self.reason}" if is_new else self.told


def choose_model(name: str | None, revision: str | None = None) -> ChosenModel:
    """Return the model that --model and --revision name; without a name that of STARCHART_MODEL, or else the default.

    Raises StarchartError if it is not there, damaged or does not fit itself.
    """
    if name is not None:
        return _checked_model(name, *find_model(name, revision))
    if not (variable := os.environ.get(VARIABLE)):
        return _checked_model(*default_model(revision))
    try:
        return _checked_model(variable, *find_model(variable, revision, option=""))
    except StarchartError as error:
        raise StarchartError(f"{VARIABLE} is {shown(variable)}: {error}") from None


def _checked_model(name: str, folder: Path, told: str, reason: str = "") -> ChosenModel:
    config, tokenizer = read_config(folder), Tokenizer.from_pretrained(folder)
    check_vocabulary(tokenizer, config.vocab_size)
    return ChosenModel(name, folder, told, reason, tokenizer, config)


def check_vocabulary(tokenizer: Tokenizer, vocab_size: int) -> None:
    """Raise VocabularyError unless the tokenizer's ids are those of a model with `vocab_size` tokens."""
    if not 0 <= vocab_size - tokenizer.vocab_size <= max(_LARGEST_PADDING, tokenizer.padding):
        raise VocabularyError(
            f"the vocabulary has {tokenizer.vocab_size} tokens and the model {vocab_size}: they do not belong together;"
            " put the model's own vocab.json and merges.txt beside its weights"
        )


def open_model(chosen: ChosenModel, options: argparse.Namespace) -> tuple[GPT2, ProgressLine]:
    """Return the model on the engine of the options, to be closed, and the line that shows what it is busy with.

    Where no precision was asked for, the options say afterwards which it is. Raises EngineError for options that this
    engine does not have.
    """
    _settle(options)
    progress = ProgressLine(f"{chosen.told}: opening it with the {options.engine} engine")
    if options.engine == "torch":
        return GPT2.from_pretrained(chosen.folder, _torch_engine(options), progress=progress), progress
    gpt2 = GPT2.from_pretrained(
        chosen.folder,
        options.engine,
        precision=options.precision,
        workers=options.workers,
        pack_cache=not options.no_pack_cache,
        progress=progress,
    )
    return gpt2, progress


def _settle(options: argparse.Namespace) -> None:
    """Put the engine's own precision where none was asked for, and refuse what the engine does not have."""
    known = _PRECISIONS[options.engine]
    options.precision = options.precision or known[0]
    if options.precision not in known:
        raise EngineError(f"--precision {options.precision}: the {options.engine} engine has {', '.join(known)}")
    if options.device and options.engine != "torch":
        raise EngineError(f"--device {options.device}: the {options.engine} engine has none; --engine torch has")
    if options.engine == "torch" and options.workers not in (None, 1):
        raise EngineError(f"--workers {options.workers}: the torch engine computes in one process; leave it out")


def _torch_engine(options: argparse.Namespace) -> Engine:
    try:
        from starport.engines.tensors import default_device  # noqa: PLC0415  these import PyTorch
        from starport.engines.torch_engine import TorchEngine  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise EngineError(
            f"--engine torch: there is no {error.name} here; `pip install torch`, or take the packed engine"
        ) from None
    return TorchEngine(options.device or default_device(), options.precision)
