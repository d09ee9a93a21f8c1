"""From the name of a model, or a folder, to the folder with its files. Nothing is downloaded here."""

import os
from difflib import get_close_matches
from pathlib import Path

from starchart.box.unzipped import unzipped
from starchart.errors import CheckpointError, StarchartError
from starchart.files.json_file import shown
from starchart.hub_cache import MAIN, ORGANISATIONS, cache_folder, cached_folders, is_revision, repository_of

NAMES = ("towel",)


def model_folder(
    name: str | os.PathLike[str],
    revision: str | None = None,
    *,
    endings: tuple[str, ...] = ("",),
    error: type[StarchartError] = CheckpointError,
) -> Path:
    """Return the folder of the model `name`: a path that exists, else a model in the box, else one in the HF cache.

    The cache is that of the Hugging Face Hub's tools; `revision` is a branch, a tag or a commit there (None: main).
    A folder of the box or of the cache counts only if a file in it has one of `endings`. What cannot be the name of a
    model of the hub is returned as a path. Raises `error` for a model of the hub that is not cached, for a name that
    differs little from a known one, and for a revision of anything that is not a model of the hub.

    >>> model_folder("towel").name
    'towel'
    """
    if revision is not None and not is_revision(revision):
        raise error(f"revision {shown(revision)} is not the name of a branch, a tag or a commit")
    if isinstance(name, str) and not os.path.exists(name):
        boxed = [unzipped(Path(__file__).parent / name)] if name in NAMES and revision is None else []
        cached = cached_folders(name, revision or MAIN)
        for folder in (*boxed, *cached):
            if _holds(folder, endings):
                return folder
        if repository := repository_of(name):
            raise error(_not_cached(name, repository, revision, cached))
        if revision is None and (near := get_close_matches(name, [*NAMES, *ORGANISATIONS], 1, 0.75)):
            raise error(f"no model {shown(name)}: there is no such file or folder; did you mean {near[0]!r}?")
    if revision is not None:
        raise error(f"revision {shown(revision)}: {shown(str(name))} is not a model of the hub; leave the revision out")
    return Path(name)


def _holds(folder: Path, endings: tuple[str, ...]) -> bool:
    try:
        return any(name.endswith(endings) and os.path.isfile(folder / name) for name in os.listdir(folder))
    except OSError:  # a folder that may not be read
        return False


def _not_cached(name: str, repository: str, revision: str | None, partial: list[Path]) -> str:
    """Return the message for a model that is not in the cache, or only in part."""
    state = f"it is not in the Hugging Face cache ({cache_folder()})"
    if partial:
        state = f"the Hugging Face cache has only other files of it ({partial[0]})"
    at = f" at revision {revision}" if revision else ""
    option = f" --revision {revision}" if revision else ""
    return (
        f"no model {shown(name)}{at}: there is no such file or folder, and {state}; download it with `hf download"
        f" {repository}{option}` or `python -m starport generate --model {name}{option}`, which need huggingface_hub,"
        " or give a folder"
    )
