"""From what a person types after --model to a folder."""

import os
from pathlib import Path

from starchart.errors import CheckpointError
from starport.hub.cache import ORGANISATIONS, cache_folder, cached_model, missing_files

DEFAULT = "gpt2"
# Without names `hf download` fetches the weights of OpenAI's models in every format, several times the size.
_FILES = "config.json generation_config.json model.safetensors vocab.json merges.txt"


def find_model(name: str | None) -> tuple[Path, str]:
    """Return the folder of a model and a line that says what was chosen and why. An existing folder wins over a name.

    Raises CheckpointError if there is neither a folder nor a cached model of that name, or not all of the model.
    """
    if name and os.path.isdir(name):
        return Path(name), f"model {Path(name).resolve().name} from the folder {name}"
    if name and os.path.isfile(name):
        raise CheckpointError(f"--model {name}: this is a file; give the folder that it lies in")
    wanted = DEFAULT if name is None else name
    if folder := cached_model(wanted):
        if missing := missing_files(folder):
            raise CheckpointError(
                f"model {wanted} is in the Hugging Face cache in part only: {folder} has no {' and no '.join(missing)};"
                f" get the rest with `{_download(wanted)}`"
            )
        return folder, f"model {wanted} from the Hugging Face cache"
    if name is None:
        raise CheckpointError(
            f"no model: {DEFAULT} is not in the Hugging Face cache ({cache_folder()}); get it with"
            f" `pip install huggingface_hub` and `{_download(DEFAULT)}`, or point at a folder with --model DIR"
        )
    command = _download(name if name in ORGANISATIONS else "NAME")
    raise CheckpointError(
        f"no model {name!r} (--model): there is no such folder, and no model of that name in the Hugging Face cache"
        f" ({cache_folder()}); get one with `{command}`, or point at a folder with --model DIR"
    )


def _download(name: str) -> str:
    """Return the command that fetches a model: of OpenAI's, whose files are known, those that are read."""
    bare = name.rpartition("/")[2]
    known = f"{ORGANISATIONS[bare]}/{bare}" if bare in ORGANISATIONS else None
    return f"hf download {known} {_FILES}" if known and name in (bare, known) else f"hf download {name}"
