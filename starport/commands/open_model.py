"""From the options of a command to an open model: choose it, check its vocabulary, open it on an engine."""

import argparse
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from starchart import GPT2, Tokenizer
from starchart.checkpoints.checkpoint import read_config
from starchart.engine import Engine
from starchart.errors import EngineError, StarchartError
from starchart.files.json_file import shown
from starchart.files.regular_file import read_regular_file, what_is_there
from starchart.model.config import GPT2Config
from starchart.own_cache import own_cache_folder
from starchart.tokenizer.tokenizer import check_vocabulary
from starport.commands.engine_options import PRECISIONS, VARIABLE
from starport.hub.find_model import default_model, find_model
from starport.terminal.console import ProgressLine, tell


@dataclass(frozen=True)
class ChosenModel:
    """A model whose weights are not read yet.

    `name` is the name that the user gave, or that of the default model. `told` is the line that says which model it is
    and where it was found. `reason` says why the default model is not gpt2; it is empty otherwise.
    """

    name: str
    folder: Path
    told: str
    reason: str
    tokenizer: Tokenizer
    config: GPT2Config

    def introduction(self) -> str:
        """Return the line that names the model, with the reason unless an earlier command has printed that reason."""
        is_new = self.reason and not _said_before("default-model", self.reason)
        return f"{self.told}, as {self.reason}" if is_new else self.told


def choose_model(name: str | None, revision: str | None = None) -> ChosenModel:
    """Return the model that --model and --revision name; without a name that of STARCHART_MODEL, or else the default.

    Raises StarchartError if it does not exist, is damaged, or its vocabulary does not fit its weights.
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


def _said_before(topic: str, line: str) -> bool:
    """Return whether this line was the last one about `topic`; store it in a file of starchart's cache folder.

    Without such a folder, or where it cannot be written, the answer is always False.
    """
    with suppress(EngineError, OSError):
        if folder := own_cache_folder():
            file = folder / f"said-about-{topic}.txt"
            if file.is_file() and read_regular_file(file) == line.encode():
                return True
            if not what_is_there(file):
                folder.mkdir(parents=True, exist_ok=True)
                file.write_bytes(line.encode())
    return False


def open_model(chosen: ChosenModel, options: argparse.Namespace) -> tuple[GPT2, ProgressLine]:
    """Return the open model, which the caller must close, and its progress line. See `open_found_model`."""
    return open_found_model(chosen.folder, chosen.told, options)


def open_found_model(folder: Path, told: str, options: argparse.Namespace) -> tuple[GPT2, ProgressLine]:
    """Return the open model, which the caller must close, and its progress line; `told` says which model it is.

    Sets `options.precision` to the engine's default if it was not given. Raises EngineError for options that the
    engine does not have.
    """
    _settle(options)
    progress = ProgressLine(f"{told}: opening it with the {options.engine} engine")
    if options.engine == "torch":
        return GPT2.from_pretrained(folder, _torch_engine(options), progress=progress), progress
    gpt2 = GPT2.from_pretrained(
        folder,
        options.engine,
        precision=options.precision,
        workers=options.workers,
        pack_cache=not options.no_pack_cache,
        progress=progress,
    )
    if options.workers and gpt2.workers < options.workers:
        reason = (
            f"the model has {gpt2.config.n_head} attention heads, and each process needs at least one"
            if gpt2.workers == gpt2.config.n_head
            else "there is no Python executable here to start more"
        )
        tell(f"--workers {options.workers}: only {gpt2.workers} can be used; {reason}")
    return gpt2, progress


def _settle(options: argparse.Namespace) -> None:
    """Fill in the engine's default precision, and raise EngineError for options that the engine does not have."""
    known = PRECISIONS[options.engine]
    options.precision = options.precision or known[0]
    if options.precision not in known:
        raise EngineError(f"--precision {options.precision}: the {options.engine} engine has {', '.join(known)}")
    if options.device and options.engine != "torch":
        raise EngineError(f"--device {options.device}: the {options.engine} engine has none; --engine torch has")
    check_workers(options.workers)
    if options.engine != "packed" and options.workers not in (None, 1):
        raise EngineError(
            f"--workers {options.workers}: the {options.engine} engine computes in one process; leave it out"
        )


def check_workers(workers: int | None) -> None:
    """Raise EngineError for --workers below 1."""
    if workers is not None and workers < 1:
        raise EngineError(f"--workers {workers}: it must be at least 1")


def _torch_engine(options: argparse.Namespace) -> Engine:
    try:
        from starport.engines.tensors import default_device  # noqa: PLC0415  these import PyTorch
        from starport.engines.torch_engine import TorchEngine  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise EngineError(
            f"--engine torch: there is no {error.name} here; `pip install torch`, or take the packed engine"
        ) from None
    return TorchEngine(options.device or default_device(), options.precision)
