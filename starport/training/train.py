"""From the options of `starchart train` to a trained model in a folder."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from starchart import Tokenizer
from starchart.errors import TrainingError
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starport.console import tell
from starport.engines.tensors import named_leaves
from starport.scoring.documents import read_documents
from starport.scoring.score import score
from starport.scoring.windows import Recipe
from starport.training.initial_weights import drawn_weights, loaded_weights
from starport.training.loss_curve import draw_loss_curve
from starport.training.model_files import MODEL_FILES, write_model
from starport.training.processes import Processes, joined_processes
from starport.training.record import Record
from starport.training.settings import TrainingSettings
from starport.training.token_windows import TokenWindows, token_row
from starport.training.trained_model import TrainedModel
from starport.training.trainer import Schedule, Trainer
from starport.training.training_checkpoint import newest_checkpoint, written_aside
from starport.training.training_vocabulary import end_of_text, lay_vocabulary

_SHAPE = {"n_layer": 6, "n_head": 8, "n_embd": 256, "n_positions": 512}


def train(options: argparse.Namespace) -> None:
    """Train as `starchart train` says. Raises StarchartError for whatever is wrong with the input."""
    with joined_processes(options.device) as processes:
        _train(options, processes)


def _train(options: argparse.Namespace, processes: Processes) -> None:
    folder = Path(options.out)
    vocabulary = folder / "checkpoints" / "vocabulary"
    checkpoint = newest_checkpoint(folder / "checkpoints")
    refuse_wrong_folder(folder, checkpoint, options.resume)
    texts, held_out = read_documents(options.texts), read_documents(options.valid)
    if processes.is_first and not options.resume:
        lay_vocabulary(vocabulary, options, texts)
    processes.wait()
    tokenizer = Tokenizer.from_pretrained(vocabulary)
    end = end_of_text(tokenizer)
    config, weights = _beginning(options, tokenizer, end)
    row = token_row(texts, tokenizer, end)
    windows = TokenWindows(row, _context(options, config), options.seed)
    settings = _settings(options, windows, config)
    bfloat16 = wants_bfloat16(options.precision, processes.device)
    model = TrainedModel(config, weights, settings.dropout, processes.device)
    run = describe_run(config, settings, bfloat16, processes, row, weights)
    trainer = Trainer(model, windows, settings, processes, bfloat16, vocabulary.parent, run)
    if options.resume and checkpoint:
        trainer.resume(checkpoint)
    if processes.is_first:
        _tell_beginning(model, windows, settings, texts, processes, bfloat16, trainer.step)
    record = Record(folder / "losses.csv", settings, trainer.step) if processes.is_first else None
    try:
        schedule = Schedule(options.save_every, options.validate_every, options.keep)
        trainer.train(schedule, record, validation(held_out, tokenizer, config, end))
    finally:
        if record:
            record.close()
    if processes.is_first:
        save_final_model(folder, model, vocabulary, options.save_as)
        draw_loss_curve(folder / "losses.csv", folder / "losses.svg")
        tell(f"{folder}: the model, losses.csv and losses.svg")


def refuse_wrong_folder(folder: Path, checkpoint: Path | None, resume: bool) -> None:
    """Raise TrainingError if there is nothing in `folder` to resume, or something that is not to be resumed."""
    if resume and checkpoint is None:
        raise TrainingError(f"{folder}: there is no checkpoint to resume; leave out --resume")
    if checkpoint and not resume:
        raise TrainingError(f"{folder}: holds a training already; go on with --resume, or choose another folder")
    if not resume and (there := [name for name in MODEL_FILES if (folder / name).exists()]):
        raise TrainingError(f"{folder}: holds {there[0]} already; choose another folder")


def _beginning(options: argparse.Namespace, tokenizer: Tokenizer, end: int) -> tuple[GPT2Config, GPTModelWeights]:
    """Return the configuration and the weights that the training starts from."""
    shape = {name: getattr(options, name) for name in _SHAPE if getattr(options, name) is not None}
    if not options.start:
        config = GPT2Config(vocab_size=tokenizer.vocab_size, eos_token_ids=(end,), **{**_SHAPE, **shape})
        return config, drawn_weights(config, options.seed)
    config, weights = loaded_weights(options.start)
    for name, wanted in shape.items():
        if wanted != getattr(config, name):
            option = f"--{name.replace('_', '-')} {wanted}"
            raise TrainingError(f"{option}: the model in {options.start} has {getattr(config, name)}; leave it out")
    return replace(config, eos_token_ids=(end,)), weights


def _context(options: argparse.Namespace, config: GPT2Config) -> int:
    context: int = config.n_positions if options.context is None else options.context
    if not 1 <= context <= config.n_positions:
        raise TrainingError(f"--context {context}: from 1 to {config.n_positions}, what the model reads at once")
    return context


def _settings(options: argparse.Namespace, windows: TokenWindows, config: GPT2Config) -> TrainingSettings:
    """Return the settings; a number of epochs becomes one of steps."""
    windows_a_step = max(1, options.batch_size * options.accumulate)
    steps = options.steps
    if steps is None:
        epochs = 1.0 if options.epochs is None else options.epochs
        if not 0 < epochs < float("inf"):
            raise TrainingError(f"--epochs {epochs}: it must be above 0")
        steps = ceil(epochs * windows.per_epoch / windows_a_step)
    given = {field.name: getattr(options, field.name) for field in fields(TrainingSettings)}
    return TrainingSettings(**{**given, "steps": steps, "context": _context(options, config)})


def describe_run(
    config: GPT2Config,
    settings: TrainingSettings,
    bfloat16: bool,
    processes: Processes,
    row: Tensor,
    weights: GPTModelWeights,
) -> dict[str, Any]:
    """Return all that decides what the next step computes, as values of JSON."""
    shape = {name: getattr(config, name) for name in GPT2Config.__dataclass_fields__ if name != "eos_token_ids"}
    texts = sha256(row.numpy().tobytes()).hexdigest()
    beginning = sha256(b"".join(leaf.numpy().tobytes() for _, leaf in named_leaves(weights))).hexdigest()
    products = "bfloat16" if bfloat16 else "float32"
    own = {"products": products, "processes": processes.count, "device": processes.device.type}
    return {**shape, **asdict(settings), **own, "the texts' tokens": texts, "the weights at the start": beginning}


def wants_bfloat16(precision: str, device: torch.device) -> bool:
    """Return whether products are to be in bfloat16; for "auto", whether the machine has instructions for it."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def validation(
    documents: Sequence[str], tokenizer: Tokenizer, config: GPT2Config, end: int
) -> Callable[[TrainedModel], float] | None:
    """Return what gives a model's bits a byte on the documents, by the recipe of `starchart score`; None without."""
    if not documents:
        return None
    recipe = Recipe.for_model(config.n_positions, end, None, None)
    return lambda model: score(documents, tokenizer, model.log_probabilities, recipe).bits_per_byte


def save_final_model(folder: Path, model: TrainedModel, vocabulary: Path, dtype: str) -> None:
    """Write the model's files into `folder`, each aside and renamed, the weights last."""
    with written_aside(folder / "final") as aside:
        write_model(aside, model.config, model.named, vocabulary, dtype)
    files = sorted((folder / "final").iterdir(), key=lambda file: file.suffix == ".safetensors")
    for file in files:
        file.replace(folder / file.name)
    (folder / "final").rmdir()


def _tell_beginning(
    model: TrainedModel,
    windows: TokenWindows,
    settings: TrainingSettings,
    texts: Sequence[str],
    processes: Processes,
    bfloat16: bool,
    done: int,
) -> None:
    parameters = sum(parameter.numel() for parameter in model.parameters())
    epochs = settings.steps * settings.batch_size * settings.accumulate / windows.per_epoch
    tell(
        f"{parameters} parameters; {len(texts)} documents; {settings.steps} steps of {settings.tokens_per_step} tokens"
        f" ({epochs:.2f} epochs); {processes.count} process{'es' if processes.count > 1 else ''} on"
        f" {processes.device} in {'bfloat16' if bfloat16 else 'float32'}" + (f"; from step {done}" if done else "")
    )
