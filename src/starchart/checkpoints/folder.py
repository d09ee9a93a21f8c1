"""A model folder as Hugging Face writes it: its configuration and its weights.

    config.json                     the numbers of the architecture
    generation_config.json          may be absent; where it is there, its eos_token_id stands and config.json's does not
    model.safetensors               the weights; or
    model.safetensors.index.json    the index of several files with the weights

Where both kinds of weights are there, the single file is read, as transformers does. vocab.json and merges.txt, or
tokenizer.json, are for the tokenizer.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from starchart.checkpoints.names import rename_tensors
from starchart.checkpoints.safetensors import open_safetensors
from starchart.checkpoints.sharded import open_shards
from starchart.checkpoints.weights import build_weights
from starchart.errors import CheckpointError, ConfigError
from starchart.json_file import read_json_file
from starchart.model.config import GPT2Config, token_ids
from starchart.model.gpt_model import GPTModelWeights

Parsed = TypeVar("Parsed")

_SINGLE_FILE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
WEIGHTS_FILES = (_SINGLE_FILE, _INDEX)  # the first that is there is read
OTHER_FORMATS = (
    *("pytorch_model.bin", "pytorch_model.bin.index.json"),
    *("tf_model.h5", "flax_model.msgpack", "model.ckpt.index", "checkpoint"),
)
_LAYOUT = (
    f"a model folder holds config.json, {_SINGLE_FILE} (or {_INDEX} and its files),"
    " vocab.json and merges.txt (or tokenizer.json)"
)


def load_checkpoint(folder: str | os.PathLike[str]) -> tuple[GPT2Config, GPTModelWeights]:
    """Return the configuration and the weights in `folder`. No file stays open.

    Matrices are StoredTensors, not read yet: an engine reads them as it lays them out, one at a time.

    Raises CheckpointError, or ConfigError where config.json or generation_config.json is at fault.
    """
    path = Path(folder)
    if not os.path.isdir(path):
        state = "is not a folder" if os.path.exists(path) else "there is no such folder"
        raise CheckpointError(f"{path}: {state}; {_LAYOUT}")
    config = read_config(path)
    weights_path = _find_weights(path)
    tensors = open_shards(weights_path) if weights_path.name == _INDEX else open_safetensors(weights_path)
    return config, build_weights(rename_tensors(tensors, str(weights_path)), config, str(weights_path))


def read_config(folder: Path) -> GPT2Config:
    """Return the configuration in `folder`, or raise ConfigError."""
    path = folder / "config.json"
    if not os.path.isfile(path):
        raise ConfigError(f"{folder}: holds no config.json; {_LAYOUT}")
    config = _from_values(GPT2Config.from_json, path)
    generation = folder / "generation_config.json"
    if not os.path.isfile(generation):
        return config
    return replace(config, eos_token_ids=_from_values(_end_of_text, generation))


def _end_of_text(values: Mapping[str, Any]) -> tuple[int, ...]:
    return token_ids(values.get("eos_token_id"))


def _from_values(parse: Callable[[Mapping[str, Any]], Parsed], path: Path) -> Parsed:
    """Return what `parse` makes of the JSON object at `path`; its errors name the file."""
    values = read_json_file(path, ConfigError)
    try:
        return parse(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _find_weights(folder: Path) -> Path:
    """Return the path of the file to read the weights from, or of their index."""
    for name in WEIGHTS_FILES:
        if os.path.isfile(folder / name):
            return folder / name
    for name in OTHER_FORMATS:
        if os.path.isfile(folder / name):
            raise CheckpointError(
                f"{folder / name}: this format is not read yet; convert it with transformers: "
                "GPT2LMHeadModel.from_pretrained(folder).save_pretrained(folder)"
            )
    raise CheckpointError(f"{folder}: holds no weights; {_LAYOUT}")
