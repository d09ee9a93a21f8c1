"""Finds the folder or file of a model by the name that the user gives."""

import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import NamedTuple

from starchart.box.boxed_model import NAMES, model_folder
from starchart.checkpoints.model_files import SUFFIXES
from starchart.errors import CheckpointError
from starchart.files.json_file import shown
from starchart.files.regular_file import what_is_there
from starchart.hub_cache import MAIN, ORGANISATIONS, cache_folder, cached_folders, is_revision, repository_of
from starport.hub.errors import HubError
from starport.hub.needed_files import missing_files
from starport.terminal.suggestions import did_you_mean

DEFAULT = "gpt2"
IN_THE_BOX = "towel"
_FILES = "config.json, model.safetensors, vocab.json and merges.txt"
# Seconds to wait for the hub's answer: long for a model that the user named, short for the default model.
_PATIENCE = 30.0
_LITTLE_PATIENCE = 3.0
_TRUE = ("1", "ON", "YES", "TRUE")


class DefaultModel(NamedTuple):
    """The model that is used if none is named. `reason` says why it is not gpt2; it is empty if it is gpt2."""

    name: str
    folder: Path
    told: str
    reason: str


def find_model(name: str | None, revision: str | None = None, option: str = "--model") -> tuple[Path, str]:
    """Return the folder or file of a model, and a line that says which one was taken.

    An existing folder or file comes first, then the model in the box, then a model of the hub, from the Hugging Face
    cache or downloaded into it. Without a name it is gpt2 if it is cached or can be downloaded, else the model in the
    box. `option` is the option that gave the name, for messages; "" for a positional argument. Raises CheckpointError
    if there is no such model.
    """
    if revision is not None and not is_revision(revision):
        raise CheckpointError(f"--revision {revision!r} is not the name of a branch, a tag or a commit")
    if name is None:
        default = default_model(revision)
        return default.folder, default.told + (f", as {default.reason}" if default.reason else "")
    if found := _present(name):
        if revision is not None:
            raise CheckpointError(f"--revision {revision}: {name} is not a model of the hub; leave it out")
        return found
    if _is_path(name):
        fault = what_is_there(name)
        named = shown(name) if not name.isprintable() else name or repr(name)
        raise CheckpointError(f"no such file or folder: {named}{f'; {fault}' if fault else ''}")
    return _model_of_the_hub(name, revision, option)


def cached_model(name: str, revision: str = MAIN) -> Path | None:
    """Return the folder of a cached model, or None. Of two folders (it may have two names) take the more complete."""
    return min(cached_folders(name, revision), key=lambda folder: len(missing_files(folder)), default=None)


def _is_path(name: str) -> bool:
    """Return whether a name must be a path, because no model of the hub can have it."""
    return (
        not name
        or name.startswith((".", "/", "~"))
        or name.endswith(("/", *SUFFIXES))
        or name.count("/") > 1
        or "\\" in name
    )


def _present(name: str) -> tuple[Path, str] | None:
    _refuse_what_cannot_be_opened(name)
    if name and os.path.isdir(name):
        return Path(name), f"model {Path(name).resolve().name} from the folder {name}"
    if name and os.path.isfile(name):
        return Path(name), f"model from the file {name}"
    if name in NAMES:
        return model_folder(name), f"model {name} from the box"
    return None


def _refuse_what_cannot_be_opened(name: str) -> None:
    """Raise CheckpointError for a path without permission, and for one that is neither a file nor a folder."""
    try:
        kind = os.stat(name).st_mode
    except PermissionError:
        raise CheckpointError(f"{name}: permission denied; a folder in this path cannot be entered") from None
    except (OSError, ValueError):  # it does not exist
        return
    if S_ISDIR(kind) and not os.access(name, os.X_OK):
        raise CheckpointError(f"{name}: permission denied; this folder cannot be entered")
    if not S_ISDIR(kind) and not S_ISREG(kind):
        raise CheckpointError(f"{name}: is a pipe or a device; give a model file or a folder")


def _model_of_the_hub(name: str, revision: str | None, option: str) -> tuple[Path, str]:
    at = f" at revision {revision}" if revision else ""
    folder = cached_model(name, revision or MAIN)
    missing = missing_files(folder) if folder else []
    if folder and not missing:
        return folder, f"model {name}{at} from the Hugging Face cache"
    try:
        repository = repository_of(name)
        if repository is None:
            if meant := did_you_mean(name, (*NAMES, *ORGANISATIONS)):
                raise CheckpointError(f"no model {name!r}{f' ({option})' if option else ''}; {meant}")
            raise HubError("models of the hub are called ORG/NAME", "check the name")
        note = "Ctrl-C stops it, and the next run continues it"
        folder, origin = _download(repository, revision or MAIN, _PATIENCE, note)
    except HubError as error:
        state = f"not in the Hugging Face cache ({cache_folder()})"
        if folder:
            state = f"only partly in the Hugging Face cache ({folder} has no {' and no '.join(missing)})"
        ways = f"give it with {option} DIR, or take the model in the box with {option} {IN_THE_BOX}"
        raise CheckpointError(
            f"no model {name!r}{at}{f' ({option})' if option else ''}: there is no such folder, it is {state} and"
            f" cannot be downloaded: {error}; or put {_FILES} into a folder and"
            f" {ways if option else f'give its path, or take {IN_THE_BOX}, the model in the box'}"
        ) from None
    return folder, f"model {name}{at} from {origin}"


def default_model(revision: str | None = None) -> DefaultModel:
    """Return gpt2 if it is cached or the hub answers quickly, else the model in the box.

    Raises CheckpointError if a revision is given, since it needs the name of a model.
    """
    if revision is not None:
        raise CheckpointError(f"--revision {revision}: of which model? name one of the hub with --model")
    folder = cached_model(DEFAULT)
    if folder and not missing_files(folder):
        return DefaultModel(DEFAULT, folder, f"model {DEFAULT} from the Hugging Face cache", "")
    try:
        note = f"Ctrl-C stops it; --model {IN_THE_BOX} needs no download"
        folder, origin = _download(repository_of(DEFAULT) or DEFAULT, MAIN, _LITTLE_PATIENCE, note)
    except CheckpointError as error:
        state = "only partly" if folder else "not"
        what = error.what if isinstance(error, HubError) else error
        reason = f"{DEFAULT} is {state} in the Hugging Face cache and cannot be downloaded: {what}"
        return DefaultModel(IN_THE_BOX, model_folder(IN_THE_BOX), f"model {IN_THE_BOX} from the box", reason)
    return DefaultModel(DEFAULT, folder, f"model {DEFAULT} from {origin}", "")


def _download(repository: str, revision: str, patience: float, note: str) -> tuple[Path, str]:
    """Download a model; return its folder and the address. Raises HubError, or CheckpointError."""
    offline = next((name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(name)), "")
    if os.environ.get(offline, "").upper() in _TRUE:  # as huggingface_hub reads them
        raise HubError(f"{offline} is set", "unset it")
    try:
        from starport.hub.download import download_model  # noqa: PLC0415  this imports huggingface_hub
    except ModuleNotFoundError as error:
        raise HubError(f"{error.name} is not installed", "`pip install huggingface_hub`") from None
    except ImportError:
        raise HubError("the installed huggingface_hub is too old", "`pip install --upgrade huggingface_hub`") from None
    return download_model(repository, revision, patience, note)
