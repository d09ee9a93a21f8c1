"""From what a person types after --model to a folder."""

from pathlib import Path

from starchart.errors import CheckpointError
from starport.hub.cache import cache_folder, cached_model

DEFAULT = "gpt2"


def find_model(name: str | None) -> tuple[Path, str]:
    """Return the folder of a model and a line that says what was chosen and why. An existing folder wins over a name.

    Raises CheckpointError if there is neither a folder nor a cached model of that name.
    """
    if name and Path(name).is_dir():
        return Path(name), f"model {Path(name).resolve().name} from the folder {name}"
    if name and Path(name).is_file():
        raise CheckpointError(f"--model {name}: this is a file; give the folder that it lies in")
    wanted = DEFAULT if name is None else name
    if folder := cached_model(wanted):
        return folder, f"model {wanted} from the Hugging Face cache"
    if name is None:
        raise CheckpointError(
            f"no model: {DEFAULT} is not in the Hugging Face cache ({cache_folder()}); get it with"
            " `pip install huggingface_hub` and `hf download openai-community/gpt2`,"
            " or point at a folder with --model DIR"
        )
    raise CheckpointError(
        f"no model {name!r} (--model): there is no such folder, and no model of that name in the Hugging Face cache"
        f" ({cache_folder()}); get one with `hf download NAME`, or point at a folder with --model DIR"
    )
