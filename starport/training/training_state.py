"""What a checkpoint contains besides the model, so that a resumed training gives the same result.

    optimizer.safetensors    the state of the optimizers
    training.json            the number of steps done, and the description of the run

A checkpoint contains no pickles, so loading it cannot run code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from starchart.checkpoints.names import name_in_file
from starchart.errors import TrainingError
from starchart.files.json_file import read_json_file
from starport.conversion.config_files import write_json
from starport.training.model_files import WEIGHTS, write_tensors

_OPTIMIZER, _STATE = "optimizer.safetensors", "training.json"


@dataclass(frozen=True)
class TrainingState:
    """The steps done, the description of the run, and the state of the optimizers."""

    step: int
    run: Mapping[str, Any]
    optimizers: Mapping[str, Tensor]


def write_state(folder: Path, state: TrainingState) -> None:
    """Write both files into `folder`."""
    write_tensors(folder / _OPTIMIZER, state.optimizers)
    write_json(folder / _STATE, {"step": state.step, "run": dict(state.run)})


def read_state(folder: Path) -> TrainingState:
    """Return what `write_state` wrote. Raises TrainingError for a file that is damaged or missing."""
    return TrainingState(*read_run(folder), _tensors(folder / _OPTIMIZER))


def read_run(folder: Path) -> tuple[int, Mapping[str, Any]]:
    """Return the number of steps done and the description of the run. Raises TrainingError as `read_state`."""
    values = read_json_file(folder / _STATE, TrainingError)
    step, run = values.get("step"), values.get("run")
    if type(step) is not int or step < 1 or not isinstance(run, dict):
        raise damaged(folder, f"{_STATE} has no number of steps or no description of the run")
    return step, run


def read_weights(folder: Path, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a checkpoint by our names. Raises TrainingError if names or shapes differ from `named`."""
    tensors = _tensors(folder / WEIGHTS)
    wanted = {name_in_file(name): value.shape for name, value in named.items()}
    if {name: value.shape for name, value in tensors.items()} != wanted:
        raise damaged(folder, f"{WEIGHTS} contains the weights of another model")
    return {name: tensors[name_in_file(name)] for name in named}


def damaged(folder: Path, fault: str) -> TrainingError:
    """Return the error for a checkpoint that cannot be used."""
    return TrainingError(f"{folder}: cannot be resumed: {fault}; remove it to resume an earlier one")


def _tensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise damaged(file.parent, f"{file.name}: {error}") from None
