"""From what a person types after --model to a folder."""

import os
from pathlib import Path

from starchart.box.boxed_model import NAMES, model_folder
from starchart.errors import CheckpointError
from starport.hub.cache import ORGANISATIONS, cache_folder, cached_model, missing_files

DEFAULT = "gpt2"
IN_THE_BOX = "towel"
# Without names `hf download` fetches the weights of OpenAI's models in every format, several times the size.
_FILES = "config.json generation_config.json model.safetensors vocab.json merges.txt"


def find_model(name: str | None) -> tuple[Path, str]:
    """Return the folder or file of a model and a line that says why it was chosen. What exists wins over a name.

    Without a name it is gpt2 if all of it is cached, else the model in the box. Raises CheckpointError if there is
    neither a folder nor a cached model of that name, or not all of the model.
    """
    if name is None:
        return _default_model()
    if name and os.path.isdir(name):
        return Path(name), f"model {Path(name).resolve().name} from the folder {name}"
    if name and os.path.isfile(name):
        return Path(name), f"model from the file {name}"
    if name in NAMES:
        return model_folder(name), f"model {name} from the box"
    if folder := cached_model(name):
        if missing := missing_files(folder):
            raise CheckpointError(
                f"model {name} is in the Hugging Face cache in part only: {folder} has no {' and no '.join(missing)};"
                f" get the rest with `{_download(name)}`"
            )
        return folder, f"model {name} from the Hugging Face cache"
    command = _download(name if name in ORGANISATIONS else "NAME")
    raise CheckpointError(
        f"no model {name!r} (--model): there is no such folder, and no model of that name in the Hugging Face cache"
        f" ({cache_folder()}); get one with `pip install huggingface_hub` and `{command}`, point at a folder with"
        f" --model DIR, or take the one in the box with --model {IN_THE_BOX}"
    )


def _default_model() -> tuple[Path, str]:
    """Return gpt2 if it is cached, else the model in the box."""
    folder = cached_model(DEFAULT)
    if folder and not missing_files(folder):
        return folder, f"model {DEFAULT} from the Hugging Face cache"
    state = "in part only" if folder else "not"
    return model_folder(
        IN_THE_BOX
    ), f"model {IN_THE_BOX} from the box, as {DEFAULT} is {state} in the Hugging Face cache"


def _download(name: str) -> str:
    """Return the command that fetches a model: of OpenAI's, whose files are known, those that are read."""
    bare = name.rpartition("/")[2]
    known = f"{ORGANISATIONS[bare]}/{bare}" if bare in ORGANISATIONS else None
    return f"hf download {known} {_FILES}" if known and name in (bare, known) else f"hf download {name}"
