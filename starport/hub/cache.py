"""Finds models that are already in the Hugging Face cache, without any of its libraries.

The layout is huggingface_hub's: <cache>/models--{org}--{name}/refs/main holds a commit, snapshots/<commit>/ the files.
"""

import os
import re
from pathlib import Path

from starchart.checkpoints.model_files import UNREAD, WEIGHTS_FILES

# OpenAI's models moved under an organisation; older caches have them under the bare name.
ORGANISATIONS = {
    "gpt2": "openai-community",
    "gpt2-medium": "openai-community",
    "gpt2-large": "openai-community",
    "gpt2-xl": "openai-community",
    "distilgpt2": "distilbert",
}
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


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
    """Return the folder of the model `name` ("gpt2", "org/name") in the cache, or None if there is none.

    Files may be missing in it: see `missing_files`. Where the cache has the model under two names, the fuller folder
    is returned.
    """
    if not _NAME.fullmatch(name):
        return None
    names = [f"{ORGANISATIONS[name]}/{name}", name] if name in ORGANISATIONS else [name]
    snapshots = [_snapshot(cache_folder() / f"models--{candidate.replace('/', '--')}") for candidate in names]
    return min(filter(None, snapshots), key=lambda snapshot: len(missing_files(snapshot)), default=None)


def missing_files(folder: Path) -> list[str]:
    """Return the names of files that a model needs and `folder` lacks: a download may have been of some files only.

    Weights in a format that cannot be read are not missing; the loader says what to do about them.
    """
    missing = [] if _holds(folder, "config.json") else ["config.json"]
    if not any(_holds(folder, name) for name in (*WEIGHTS_FILES, *UNREAD)):
        missing.append(WEIGHTS_FILES[0])
    if not _holds(folder, "tokenizer.json"):
        missing += [name for name in ("vocab.json", "merges.txt") if not _holds(folder, name)]
    return missing


def _holds(folder: Path, name: str) -> bool:
    return os.path.isfile(folder / name)


def _snapshot(repository: Path) -> Path | None:
    try:
        commit = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    folder = repository / "snapshots" / commit
    return folder if re.fullmatch(r"[0-9A-Za-z_-]+", commit) and os.path.isdir(folder) else None
