"""Runs a training: reads the texts, trains, and writes the model."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import MISSING, fields, replace
from math import ceil
from pathlib import Path
from typing import Any

from starchart import Tokenizer
from starchart.errors import StarchartError, TrainingError
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starchart.tokenizer.tokenizer import check_vocabulary
from starport.scoring.documents import read_documents
from starport.scoring.score import score
from starport.scoring.windows import Recipe
from starport.terminal.console import tell
from starport.training.initial_weights import drawn_weights, loaded_weights
from starport.training.loss_curve import draw_loss_curve
from starport.training.model_files import write_model
from starport.training.options import DEFAULT_SHAPE, TrainingOptions
from starport.training.output_folder import OutputFolder
from starport.training.processes import Processes, joined_processes
from starport.training.record import Record
from starport.training.run_description import describe_run
from starport.training.settings import TrainingSettings
from starport.training.token_windows import TokenWindows, token_row
from starport.training.trained_model import TrainedModel
from starport.training.trainer import Trainer
from starport.training.training_state import read_run
from starport.training.training_vocabulary import BYTES, end_of_text, lay_vocabulary


def train(options: TrainingOptions) -> None:
    """Train with these options. Raises StarchartError for bad input."""
    with joined_processes(options.device, options.precision) as processes:
        try:
            _train(options, processes)
            return
        except (StarchartError, RuntimeError):  # RuntimeError: the first process has ended
            if processes.is_first:
                raise
        sys.exit(2)  # the first process prints the reason


def _train(options: TrainingOptions, processes: Processes) -> None:
    folder = OutputFolder.for_training(options.out, options.resume)
    options = filled(options, read_run(folder.checkpoint)[1] if folder.checkpoint else {})
    check_options(options)
    with folder.as_before_on_failure() if processes.is_first else nullcontext():
        _train_in(folder, options, processes)


def _train_in(folder: OutputFolder, options: TrainingOptions, processes: Processes) -> None:
    alone = processes.count == 1  # only one process can read a pipe
    texts, held_out = (read_documents(files, or_pipes=alone) for files in (options.texts, options.valid))
    if processes.is_first and not options.resume:
        lay_vocabulary(folder.vocabulary, texts, options.vocab or options.start, options.vocab_size)
    processes.wait()
    tokenizer = Tokenizer.from_pretrained(folder.vocabulary)
    end = end_of_text(tokenizer)
    config, weights = _beginning(options, tokenizer, end)
    row = token_row(texts, tokenizer, end)
    windows = TokenWindows(row, _context(options, config), options.settings["seed"])
    settings = _settings(options, _steps(options, windows), windows.context)
    run = describe_run(config, settings, processes, row, weights)
    model = TrainedModel(config, weights, settings.dropout, processes.device)
    trainer = Trainer(model, windows, settings, processes, folder, run)
    if folder.checkpoint:
        trainer.resume(folder.checkpoint)
    if not processes.is_first:
        trainer.train(options.schedule, None, None)
        return
    _tell_beginning(trainer, len(texts))
    with Record(folder.losses, settings, trainer.step) as record:
        try:
            trainer.train(options.schedule, record, validation(held_out, tokenizer, config, end))
        except KeyboardInterrupt:
            last = folder.newest_checkpoint()
            tell(
                f"stopped after step {trainer.step}; "
                + (f"--resume continues from {last}" if last else "nothing was saved")
            )
            raise
    folder.place(lambda aside: write_model(aside, config, model.named, folder.vocabulary, options.save_as))
    draw_loss_curve(folder.losses, folder.picture)
    tell(f"{folder.path}: the model, {folder.losses.name} and {folder.picture.name}")


def filled(options: TrainingOptions, before: Mapping[str, Any]) -> TrainingOptions:
    """Return the options with values for those that were not given: from the resumed run, or else the defaults."""
    names = [field.name for field in fields(TrainingSettings) if field.name != "steps" or options.epochs is None]
    defaults = {field.name: field.default for field in fields(TrainingSettings) if field.default is not MISSING}
    kept = {name: value for name, value in before.items() if value is not None}
    settings = defaults | {name: kept[name] for name in names if name in kept}
    shape = {} if options.start else {name: kept[name] for name in DEFAULT_SHAPE if name in kept}
    return replace(options, shape={**shape, **options.shape}, settings={**settings, **options.settings})


def check_options(options: TrainingOptions) -> None:
    """Raise StarchartError for numbers that are out of range, before anything is read or written."""
    _settings(options, options.settings.get("steps", 1), options.settings.get("context") or 1)
    if options.epochs is not None and not 0 < options.epochs < float("inf"):
        raise TrainingError(f"--epochs {options.epochs}: it must be above 0")
    if not options.start:
        if not options.vocab and options.vocab_size <= BYTES:
            raise TrainingError(
                f"--vocab-size {options.vocab_size}: it must be above {BYTES}: one for each byte, and the end of text"
            )
        _context(options, _new_config(options, options.vocab_size, 0))
    if twice := {Path(file).resolve() for file in options.texts} & {Path(file).resolve() for file in options.valid}:
        raise TrainingError(f"--valid {min(twice)}: is a training text too; give another validation text")


def _settings(options: TrainingOptions, steps: int, context: int) -> TrainingSettings:
    return TrainingSettings(**{**options.settings, "steps": steps, "context": context})


def _steps(options: TrainingOptions, windows: TokenWindows) -> int:
    """Return the number of optimizer steps: as given, or those of the epochs, rounded up."""
    if "steps" in options.settings:
        return int(options.settings["steps"])
    epochs = 1.0 if options.epochs is None else options.epochs
    windows_per_step: int = options.settings["batch_size"] * options.settings["accumulate"]
    return ceil(epochs * windows.per_epoch / windows_per_step)


def _new_config(options: TrainingOptions, vocab_size: int, end: int) -> GPT2Config:
    return replace(GPT2Config(vocab_size=vocab_size, eos_token_ids=(end,)), **{**DEFAULT_SHAPE, **options.shape})


def _context(options: TrainingOptions, config: GPT2Config) -> int:
    context: int = options.settings.get("context", config.n_positions)
    if not 1 <= context <= config.n_positions:
        raise TrainingError(
            f"--context {context}: it must be from 1 to {config.n_positions}, the n_positions of the model"
        )
    return context


def _beginning(options: TrainingOptions, tokenizer: Tokenizer, end: int) -> tuple[GPT2Config, GPTModelWeights]:
    """Return the configuration and the weights that the training starts from."""
    if not options.start:
        config = _new_config(options, tokenizer.vocab_size, end)
        return config, drawn_weights(config, options.settings["seed"])
    config, weights = loaded_weights(options.start)
    check_vocabulary(tokenizer, config.vocab_size)
    for name, wanted in options.shape.items():
        if wanted != getattr(config, name):
            option = f"--{name.replace('_', '-')} {wanted}"
            raise TrainingError(f"{option}: the model in {options.start} has {getattr(config, name)}; leave it out")
    return replace(config, eos_token_ids=(end,), tie_word_embeddings=weights.lm_head is None), weights


def validation(
    documents: Sequence[str], tokenizer: Tokenizer, config: GPT2Config, end: int
) -> Callable[[TrainedModel], float] | None:
    """Return a function from a model to its bits per byte on the documents, as `starchart score` has them.

    None if there are no documents.
    """
    if not documents:
        return None
    recipe = Recipe.for_model(config.n_positions, end, None, None)
    return lambda model: score(documents, tokenizer, model.log_probabilities, recipe).bits_per_byte


def _tell_beginning(trainer: Trainer, documents: int) -> None:
    settings, processes = trainer.settings, trainer.processes
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    epochs = settings.steps * settings.batch_size * settings.accumulate / trainer.windows.per_epoch
    told = f"{documents} document{'s' if documents > 1 else ''}"
    tell(
        f"{parameters} parameters; {told}; {settings.steps} steps of {settings.tokens_per_step} tokens"
        f" ({epochs:.2f} epochs); {processes.count} process{'es' if processes.count > 1 else ''} on"
        f" {processes.device} in {processes.products}" + (f"; from step {trainer.step}" if trainer.step else "")
    )
