"""Checkpoints of a training: a folder as Hugging Face writes it, with what it takes to go on exactly.

    config.json, generation_config.json, model.safetensors, vocab.json, merges.txt     the model, as anyone can load it
    optimizer.safetensors, training.json                                                what the next step needs beside

A folder is written aside and renamed when it is whole, so that a full disk or a killed run leaves the last one as it
was. Nothing in it is code: no pickles.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from starchart.errors import TrainingError
from starchart.json_file import read_json_file
from starport.training.model_files import write_json

_NAME = re.compile(r"step-(\d+)")
_OPTIMIZER, _STATE = "optimizer.safetensors", "training.json"


@dataclass(frozen=True)
class TrainingState:
    """What a training remembers beside the weights. `run` says what is trained on what, and how."""

    step: int  # steps done
    run: Mapping[str, Any]
    optimizers: Mapping[str, Tensor]


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint in `folder` after the most steps, or None."""
    found = [(int(match[1]), path) for path in _entries(folder) if (match := _NAME.fullmatch(path.name))]
    return max(found)[1] if found else None


def forget_old_checkpoints(folder: Path, keep: int) -> None:
    """Remove all checkpoints but the `keep` newest, and what a killed run left half written."""
    found = sorted((int(match[1]), path) for path in _entries(folder) if (match := _NAME.fullmatch(path.name)))
    leftovers = [path for path in _entries(folder) if path.name.endswith(".part")]
    for path in [*(path for _, path in found[:-keep]), *leftovers]:
        shutil.rmtree(path, ignore_errors=True)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def write_state(folder: Path, state: TrainingState) -> None:
    """Write optimizer.safetensors and training.json into `folder`."""
    tensors = {name: value.detach().cpu() for name, value in state.optimizers.items()}
    save_file(tensors, folder / _OPTIMIZER)
    write_json(folder / _STATE, {"step": state.step, "run": state.run})


def read_state(folder: Path) -> TrainingState:
    """Return what `write_state` wrote. Raises TrainingError for a file that is damaged or not there."""
    values = read_json_file(folder / _STATE, TrainingError)
    try:
        return TrainingState(values["step"], values["run"], load_file(folder / _OPTIMIZER))
    except (OSError, SafetensorError, KeyError) as error:
        raise TrainingError(f"{folder}: cannot be resumed: {error}; remove it to resume an earlier one") from None


@contextmanager
def written_aside(folder: Path) -> Iterator[Path]:
    """Give a folder to write to, which becomes `folder` when all is in it; on an error nothing of it is left.

    Raises TrainingError where the system cannot write.
    """
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        aside.mkdir(parents=True)
        yield aside
        aside.rename(folder)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{folder}: cannot be written: {error}; the checkpoints before it are whole") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
