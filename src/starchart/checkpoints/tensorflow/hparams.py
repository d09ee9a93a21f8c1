"""hparams.json: the configuration that OpenAI published beside a checkpoint.

    {"n_vocab": 50257, "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12}

The rest is the same in all of these models: F = 4 C, the tanh form of GELU, epsilon 1e-5, a tied head. Source:
openai/gpt-2, src/model.py.
"""

from dataclasses import replace
from pathlib import Path

from starchart.checkpoints.end_of_text import end_of_text
from starchart.errors import ConfigError
from starchart.files.json_file import read_json_file
from starchart.model.config import GPT2Config

_NAMES = {"n_vocab": "vocab_size", "n_ctx": "n_positions", "n_embd": "n_embd", "n_head": "n_head", "n_layer": "n_layer"}


def read_hparams(index: Path) -> GPT2Config:
    """Return the configuration that lies beside the index of a checkpoint. Raises ConfigError."""
    path = index.with_name("hparams.json")
    values = read_json_file(path, ConfigError)
    missing = [name for name in _NAMES if name not in values]
    if missing:
        raise ConfigError(f"{path}: lacks {', '.join(missing)}; get the hparams.json that belongs to the checkpoint")
    sizes = {ours: values[name] for name, ours in _NAMES.items()}
    try:
        config = GPT2Config(**sizes)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return replace(config, eos_token_ids=end_of_text(index.parent, config.vocab_size))
