"""A checkpoint: the configuration and the weights of a model, from whichever files it is in."""

import os
from dataclasses import replace
from pathlib import Path

from starchart.checkpoints.end_of_text import generation_end_of_text
from starchart.checkpoints.formats import Format, known_format
from starchart.checkpoints.model_files import LAYOUT, find_weights, weights_in
from starchart.checkpoints.names import rename_tensors
from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.checkpoints.weights import build_weights, used_tensors
from starchart.errors import ConfigError
from starchart.files.json_file import read_json_file
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights


def load_checkpoint(model: str | os.PathLike[str]) -> tuple[GPT2Config, GPTModelWeights]:
    """Return the configuration and the weights of a model: a folder, or a file of weights. No file stays open.

    Matrices are StoredTensors, not read yet: an engine reads them as it lays them out, one at a time.

    Raises CheckpointError, or ConfigError where the configuration is at fault.
    """
    path = find_weights(Path(model))
    kind = known_format(path)
    config = _read_config(path, kind)
    return config, build_weights(rename_tensors(kind.open(path), str(path)), config, str(path))


def open_tensors(model: str | os.PathLike[str]) -> tuple[GPT2Config, dict[str, StoredTensor]]:
    """Return the configuration of a model and the tensors it is made of, by our names; see `used_tensors`.

    Raises as `load_checkpoint` does, but for the numbers: they are not read yet.
    """
    path = find_weights(Path(model))
    kind = known_format(path)
    config = _read_config(path, kind)
    return config, used_tensors(rename_tensors(kind.open(path), str(path)), config, str(path))


def read_config(model: str | os.PathLike[str]) -> GPT2Config:
    """Return the configuration of a model, whose weights need not be there if it has a config.json.

    Raises ConfigError, or CheckpointError where its files are not there.
    """
    path = Path(model)
    if os.path.isfile(path / "config.json") and not weights_in(path):
        return _config_in(path)
    path = find_weights(path)
    return _read_config(path, known_format(path))


def _read_config(path: Path, kind: Format) -> GPT2Config:
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
