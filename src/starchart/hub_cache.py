"""Finds models that are already in the Hugging Face cache, without any of its libraries.

The layout is huggingface_hub's: <cache>/models--{org}--{name}/refs/{revision} holds a commit, snapshots/{commit}/ the
files, as links to blobs/{checksum}.
"""

import os
import re
from pathlib import Path

from starchart.files.regular_file import read_regular_file

# OpenAI's models moved under an organisation; older caches have them under the bare name.
ORGANISATIONS = {
    "gpt2": "openai-community",
    "gpt2-medium": "openai-community",
    "gpt2-large": "openai-community",
    "gpt2-xl": "openai-community",
    "distilgpt2": "distilbert",
}
MAIN = "main"
COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_REVISION = re.compile(r"\w[\w.+@-]*(/\w[\w.+@-]*)*")


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


def repository_of(name: str) -> str | None:
    """Return the full name ("org/name") under which the hub has the model `name`, or None if it can have none.

    >>> repository_of("gpt2"), repository_of("org/name"), repository_of("my-gpt2"), repository_of("a/b/c")
    ('openai-community/gpt2', 'org/name', None, None)
    """
    if name in ORGANISATIONS:
        return f"{ORGANISATIONS[name]}/{name}"
    return name if "/" in name and _NAME.fullmatch(name) else None


def is_revision(revision: str) -> bool:
    """Return whether this can be the name of a branch, of a tag or of a commit."""
    return bool(_REVISION.fullmatch(revision))


def repository_folder(repository: str) -> Path:
    """Return the folder of a model ("org/name") in the cache, which need not be there."""
    return cache_folder() / f"models--{repository.replace('/', '--')}"


def cached_folders(name: str, revision: str = MAIN) -> list[Path]:
    """Return the folders of the model `name` ("gpt2", "org/name") in the cache: none, one, or both of its two names.

    `revision` is a branch, a tag or a commit. Files may be missing in a folder: a download may have included only some.
    """
    if not _NAME.fullmatch(name) or not is_revision(revision):
        return []
    names = [f"{ORGANISATIONS[name]}/{name}", name] if name in ORGANISATIONS else [name]
    snapshots = [_snapshot(repository_folder(candidate), revision) for candidate in names]
    return [snapshot for snapshot in snapshots if snapshot]


def _snapshot(repository: Path, revision: str) -> Path | None:
    if COMMIT.fullmatch(revision) and os.path.isdir(repository / "snapshots" / revision):
        return repository / "snapshots" / revision
    try:
        commit = read_regular_file(repository / "refs" / revision).decode().strip()
    except (OSError, UnicodeDecodeError):
        return _snapshot_that_begins(repository, revision.lower())
    folder = repository / "snapshots" / commit
    return folder if re.fullmatch(r"[0-9A-Za-z_-]+", commit) and os.path.isdir(folder) else None


def _snapshot_that_begins(repository: Path, commit: str) -> Path | None:
    """Return the snapshot whose commit begins with these 7 or more digits; None if there is none, or several."""
    if not _SHORT_COMMIT.fullmatch(commit):
        return None
    found = [path for path in (repository / "snapshots").glob(f"{commit}*") if os.path.isdir(path)]
    return found[0] if len(found) == 1 else None
