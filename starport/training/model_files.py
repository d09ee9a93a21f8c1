"""The files of a model as transformers writes them: configuration, weights, vocabulary."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from starchart.model.config import GPT2Config

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
VOCABULARY_FILES = ("vocab.json", "merges.txt")
MODEL_FILES = ("config.json", "generation_config.json", "model.safetensors", *VOCABULARY_FILES)


def write_model(folder: Path, config: GPT2Config, named: Mapping[str, Tensor], vocabulary: Path, dtype: str) -> None:
    """Write config.json, generation_config.json, model.safetensors and a copy of the vocabulary into `folder`."""
    end = {"bos_token_id": config.eos_token_ids[0], "eos_token_id": config.eos_token_ids[0]}
    own = {name: getattr(config, name) for name in GPT2Config.__dataclass_fields__ if name != "eos_token_ids"}
    kind = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "dtype": dtype}
    write_json(folder / "config.json", {**kind, **own, **end})
    write_json(folder / "generation_config.json", end)
    tensors = {_name_in_file(name): value.detach().to("cpu", DTYPES[dtype]) for name, value in named.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    for name in VOCABULARY_FILES:
        shutil.copyfile(vocabulary / name, folder / name)


def write_json(file: Path, values: Mapping[str, Any]) -> None:
    """Write one JSON object."""
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _name_in_file(name: str) -> str:
    return name if name.startswith("lm_head.") else f"transformer.{name}"
