"""Finds models that are already in the Hugging Face cache, without any of its libraries.

The layout is huggingface_hub's: <cache>/models--{org}--{name}/refs/main holds a commit, snapshots/<commit>/ the files.
"""

import os
import re
from pathlib import Path

# OpenAI's models moved under an organisation; older caches have them under the bare name.
_ORGANISATIONS = {
    "gpt2": "openai-community",
    "gpt2-medium": "openai-community",
    "gpt2-large": "openai-community",
    "gpt2-xl": "openai-community",
    "distilgpt2": "distilbert",
}


def cache_folder() -> Path:
    """Return the folder in which the hub's files are cached, by the variables that huggingface_hub reads."""
    for variable, below in (
        ("HF_HUB_CACHE", ""),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
        ("XDG_CACHE_HOME", "huggingface/hub"),
    ):
        if value := os.environ.get(variable):
            return Path(os.path.expandvars(value)).expanduser() / below
    return Path("~/.cache/huggingface/hub").expanduser()


def cached_model(name: str) -> Path | None:
    """Return the folder of the model `name` ("gpt2", "org/name") in the cache, or None if it is not there whole."""
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        return None
    names = [f"{_ORGANISATIONS[name]}/{name}", name] if name in _ORGANISATIONS else [name]
    snapshots = (_snapshot(cache_folder() / f"models--{candidate.replace('/', '--')}") for candidate in names)
    return next((snapshot for snapshot in snapshots if snapshot and (snapshot / "config.json").is_file()), None)


def _snapshot(repository: Path) -> Path | None:
    try:
        commit = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return repository / "snapshots" / commit if re.fullmatch(r"[0-9A-Za-z_-]+", commit) else None
