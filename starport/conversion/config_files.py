"""config.json and generation_config.json as transformers writes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starchart.model.config import GPT2Config

CONFIG_FILES = ("config.json", "generation_config.json")


def write_config_files(folder: Path, config: GPT2Config, dtype: str) -> None:
    """Write both files into `folder`. `dtype` is the dtype of the weights, as torch names it. Raises OSError."""
    kind = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "dtype": dtype}
    write_json(folder / "config.json", {**kind, **config_values(config)})
    write_json(folder / "generation_config.json", _ends(config))


def config_values(config: GPT2Config) -> dict[str, Any]:
    """Return the settings of a model under the names of config.json."""
    own = {name: getattr(config, name) for name in GPT2Config.__dataclass_fields__ if name != "eos_token_ids"}
    return own | _ends(config)


def _ends(config: GPT2Config) -> dict[str, Any]:
    ids = config.eos_token_ids
    return {
        "bos_token_id": ids[0] if ids else None,
        "eos_token_id": list(ids) if len(ids) > 1 else ids[0] if ids else None,
    }


def write_json(file: Path, values: Mapping[str, Any]) -> None:
    """Write one JSON object. Raises OSError."""
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
