"""The files of a model as transformers writes them: configuration, weights, vocabulary."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from starchart.model.config import GPT2Config

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
WEIGHTS = "model.safetensors"
VOCABULARY_FILES = ("vocab.json", "merges.txt", "added_tokens.json", "tokenizer.json")
MODEL_FILES = ("config.json", "generation_config.json", WEIGHTS, *VOCABULARY_FILES)


def write_model(folder: Path, config: GPT2Config, named: Mapping[str, Tensor], vocabulary: Path, dtype: str) -> None:
    """Write config.json, generation_config.json, model.safetensors and a copy of the vocabulary into `folder`."""
    end = {"bos_token_id": config.eos_token_ids[0], "eos_token_id": config.eos_token_ids[0]}
    own = {name: getattr(config, name) for name in GPT2Config.__dataclass_fields__ if name != "eos_token_ids"}
    kind = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "dtype": dtype}
    write_json(folder / "config.json", {**kind, **own, **end})
    write_json(folder / "generation_config.json", end)
    write_tensors(folder / WEIGHTS, {name_in_file(name): value.to(DTYPES[dtype]) for name, value in named.items()})
    copy_vocabulary(vocabulary, folder)


def copy_vocabulary(source: Path, folder: Path) -> None:
    """Copy the files of a vocabulary, in whichever form it is."""
    for name in VOCABULARY_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file that others may read as they may its folder. Raises OSError."""
    try:
        contents = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(contents, file, metadata={"format": "pt"})
    except SafetensorError as error:
        raise OSError(str(error)) from None
    file.chmod(file.parent.stat().st_mode & 0o666)


def write_json(file: Path, values: Mapping[str, Any]) -> None:
    """Write one JSON object."""
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def name_in_file(name: str) -> str:
    """Return the name that transformers has for a tensor."""
    return name if name.startswith("lm_head.") else f"transformer.{name}"
