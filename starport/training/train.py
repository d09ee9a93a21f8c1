"""From the options of `starchart train` to a trained model in a folder."""

import argparse
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
from starport.console import tell
from starport.engine_options import check_vocabulary
from starport.scoring.documents import read_documents
from starport.scoring.score import score
from starport.scoring.windows import Recipe
from starport.training.initial_weights import drawn_weights, loaded_weights
from starport.training.loss_curve import draw_loss_curve
from starport.training.model_files import write_model
from starport.training.output_folder import OutputFolder
from starport.training.processes import Processes, joined_processes
from starport.training.record import Record
from starport.training.run_description import describe_run
from starport.training.settings import TrainingSettings
from starport.training.token_windows import TokenWindows, token_row
from starport.training.trained_model import TrainedModel
from starport.training.trainer import Schedule, Trainer
from starport.training.training_state import read_run
from starport.training.training_vocabulary import BYTES, end_of_text, lay_vocabulary

_SHAPE = {"n_layer": 6, "n_head": 8, "n_embd": 256, "n_positions": 512}


def train(options: argparse.Namespace) -> None:
    """Train as `starchart train` says. Raises StarchartError for whatever is wrong with the input."""
    with joined_processes(options.device, options.precision) as processes:
        try:
            _train(options, processes)
            return
        except (StarchartError, RuntimeError):  # RuntimeError: the first process ended, and the exchange with it
            if processes.is_first:
                raise
        sys.exit(2)  # the first process says why


def _train(options: argparse.Namespace, processes: Processes) -> None:
    folder = OutputFolder.for_training(options.out, options.resume)
    fill_options(options, read_run(folder.checkpoint)[1] if folder.checkpoint else {})
    check_options(options)
    with folder.as_before_on_failure() if processes.is_first else nullcontext():
        _train_in(folder, options, processes)


def _train_in(folder: OutputFolder, options: argparse.Namespace, processes: Processes) -> None:
    alone = processes.count == 1  # a pipe gives its bytes to one process only
    texts, held_out = (read_documents(files, or_pipes=alone) for files in (options.texts, options.valid))
    if processes.is_first and not options.resume:
        lay_vocabulary(folder.vocabulary, options, texts)
    processes.wait()
    tokenizer = Tokenizer.from_pretrained(folder.vocabulary)
    end = end_of_text(tokenizer)
    config, weights = _beginning(options, tokenizer, end)
    row = token_row(texts, tokenizer, end)
    windows = TokenWindows(row, _context(options, config), options.seed)
    settings = _settings(options, windows)
    run = describe_run(config, settings, processes, row, weights)
    model = TrainedModel(config, weights, settings.dropout, processes.device)
    trainer = Trainer(model, windows, settings, processes, folder, run)
    if folder.checkpoint:
        trainer.resume(folder.checkpoint)
    if not processes.is_first:
        trainer.train(Schedule.of(options), None, None)
        return
    _tell_beginning(trainer, len(texts))
    with Record(folder.losses, settings, trainer.step) as record:
        try:
            trainer.train(Schedule.of(options), record, validation(held_out, tokenizer, config, end))
        except KeyboardInterrupt:
            last = folder.newest_checkpoint()
            tell(
                f"stopped after step {trainer.step}; "
                + (f"--resume goes on from {last}" if last else "nothing was saved")
            )
            raise
    folder.place(lambda aside: write_model(aside, config, model.named, folder.vocabulary, options.save_as))
    draw_loss_curve(folder.losses, folder.picture)
    tell(f"{folder.path}: the model, {folder.losses.name} and {folder.picture.name}")


def fill_options(options: argparse.Namespace, before: Mapping[str, Any]) -> None:
    """Put in for options that were not given: those of the run that is resumed, or else the defaults."""
    lengths = () if options.epochs is None else ("steps",)
    shape = () if options.start else _SHAPE
    for name in (*shape, *(field.name for field in fields(TrainingSettings))):
        if getattr(options, name) is None and name in before and name not in lengths:
            setattr(options, name, before[name])
    for field in fields(TrainingSettings):
        if getattr(options, field.name) is None and field.default is not MISSING:
            setattr(options, field.name, field.default)


def check_options(options: argparse.Namespace) -> None:
    """Raise StarchartError for numbers out of their range, before anything is read or written."""
    _given(options, steps=1 if options.steps is None else options.steps, context=options.context or 1)
    if options.epochs is not None and not 0 < options.epochs < float("inf"):
        raise TrainingError(f"--epochs {options.epochs}: it must be above 0")
    if not options.start:
        if not options.vocab and options.vocab_size <= BYTES:
            raise TrainingError(
                f"--vocab-size {options.vocab_size}: above {BYTES}, one for each byte and the end of text"
            )
        _context(options, _drawn_config(options, options.vocab_size, 0))
    if twice := {Path(file).resolve() for file in options.texts} & {Path(file).resolve() for file in options.valid}:
        raise TrainingError(f"--valid {min(twice)}: is trained on too, so it would prove nothing; give another text")


def _given(options: argparse.Namespace, steps: int, context: int) -> TrainingSettings:
    values = {field.name: getattr(options, field.name) for field in fields(TrainingSettings)}
    return TrainingSettings(**{**values, "steps": steps, "context": context})


def _settings(options: argparse.Namespace, windows: TokenWindows) -> TrainingSettings:
    """Return the settings; a number of epochs becomes one of steps."""
    epochs = 1.0 if options.epochs is None else options.epochs
    steps = ceil(epochs * windows.per_epoch / (options.batch_size * options.accumulate))
    return _given(options, steps if options.steps is None else options.steps, windows.context)


def _shape(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in _SHAPE if getattr(options, name) is not None}


def _drawn_config(options: argparse.Namespace, vocab_size: int, end: int) -> GPT2Config:
    return replace(GPT2Config(vocab_size=vocab_size, eos_token_ids=(end,)), **{**_SHAPE, **_shape(options)})


def _context(options: argparse.Namespace, config: GPT2Config) -> int:
    context: int = config.n_positions if options.context is None else options.context
    if not 1 <= context <= config.n_positions:
        raise TrainingError(f"--context {context}: from 1 to {config.n_positions}, what the model reads at once")
    return context


def _beginning(options: argparse.Namespace, tokenizer: Tokenizer, end: int) -> tuple[GPT2Config, GPTModelWeights]:
    """Return the configuration and the weights that the training starts from."""
    if not options.start:
        config = _drawn_config(options, tokenizer.vocab_size, end)
        return config, drawn_weights(config, options.seed)
    config, weights = loaded_weights(options.start)
    check_vocabulary(tokenizer, config.vocab_size)
    for name, wanted in _shape(options).items():
        if wanted != getattr(config, name):
            option = f"--{name.replace('_', '-')} {wanted}"
            raise TrainingError(f"{option}: the model in {options.start} has {getattr(config, name)}; leave it out")
    return replace(config, eos_token_ids=(end,), tie_word_embeddings=weights.lm_head is None), weights


def validation(
    documents: Sequence[str], tokenizer: Tokenizer, config: GPT2Config, end: int
) -> Callable[[TrainedModel], float] | None:
    """Return what gives a model's bits a byte on the documents, by the recipe of `starchart score`; None without."""
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
