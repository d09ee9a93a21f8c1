"""The files of a model as transformers writes them: configuration, weights, vocabulary."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from starchart.checkpoints.names import name_in_file
from starchart.files.regular_file import is_file_or_warn, open_regular_file
from starchart.model.config import GPT2Config
from starport.conversion.config_files import CONFIG_FILES, write_config_files

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
WEIGHTS = "model.safetensors"
VOCABULARY_FILES = ("vocab.json", "merges.txt", "added_tokens.json", "tokenizer.json")
MODEL_FILES = (*CONFIG_FILES, WEIGHTS, *VOCABULARY_FILES)


def write_model(folder: Path, config: GPT2Config, named: Mapping[str, Tensor], vocabulary: Path, dtype: str) -> None:
    """Write config.json, generation_config.json, model.safetensors and a copy of the vocabulary into `folder`."""
    write_config_files(folder, config, dtype)
    write_tensors(folder / WEIGHTS, {name_in_file(name): value.to(DTYPES[dtype]) for name, value in named.items()})
    for name in VOCABULARY_FILES:
        if is_file_or_warn(vocabulary / name):
            with open_regular_file(vocabulary / name) as source, (folder / name).open("wb") as copy:
                shutil.copyfileobj(source, copy)


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file with the read and write permissions of its folder. Raises OSError."""
    try:
        contents = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(contents, file, metadata={"format": "pt"})
    except SafetensorError as error:
        raise OSError(str(error)) from None
    file.chmod(file.parent.stat().st_mode & 0o666)
