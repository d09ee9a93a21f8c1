"""A checkpoint: the configuration and the weights of a model, from whatever files it has.

The folder is searched once; the path and the format that were found are passed on.
"""

import os
from dataclasses import replace
from pathlib import Path

from starchart.checkpoints.end_of_text import generation_end_of_text
from starchart.checkpoints.formats import Format
from starchart.checkpoints.model_files import LAYOUT, find_weights
from starchart.checkpoints.names import rename_tensors
from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.checkpoints.weights import build_weights, used_tensors
from starchart.errors import ConfigError, NoWeightsError
from starchart.files.json_file import read_json_file
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights


def load_checkpoint(model: str | os.PathLike[str]) -> tuple[GPT2Config, GPTModelWeights]:
    """Return the configuration and the weights of a model: a folder, or a file of weights. No file stays open.

    Matrices are StoredTensors, which are not read yet: an engine reads them one at a time when it prepares them.

    Raises CheckpointError, or ConfigError if the configuration is wrong.
    """
    path, kind = find_weights(Path(model))
    config = _config(path, kind)
    return config, build_weights(rename_tensors(kind.open(path), str(path)), config, str(path))


def open_tensors(model: str | os.PathLike[str]) -> tuple[GPT2Config, dict[str, StoredTensor]]:
    """Return the configuration of a model and the tensors it is made of, by our names; see `used_tensors`.

    Raises as `load_checkpoint` does, except for wrong numbers: they are not read yet.
    """
    return open_found_tensors(*find_weights(Path(model)))


def open_found_tensors(path: Path, kind: Format) -> tuple[GPT2Config, dict[str, StoredTensor]]:
    """Do the same as `open_tensors` for weights whose path and format are known."""
    config = _config(path, kind)
    return config, used_tensors(rename_tensors(kind.open(path), str(path)), config, str(path))


def read_config(model: str | os.PathLike[str]) -> GPT2Config:
    """Return the configuration of a model. If it has a config.json, its weights may be missing.

    Raises ConfigError, or CheckpointError if its files are missing.
    """
    try:
        path, kind = find_weights(Path(model))
    except NoWeightsError:
        if not os.path.isfile(Path(model) / "config.json"):
            raise
        return _config_in(Path(model))
    return _config(path, kind)


def _config(path: Path, kind: Format) -> GPT2Config:
    return kind.config(path) if kind.config else _config_in(path.parent)


def _config_in(folder: Path) -> GPT2Config:
    file = folder / "config.json"
    if not os.path.lexists(file):
        raise ConfigError(f"{folder}: holds no config.json; {LAYOUT}")
    values = read_json_file(file, ConfigError)
    try:
        config = GPT2Config.from_json(values)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    ids = generation_end_of_text(folder)
    return config if ids is None else replace(config, eos_token_ids=ids)
