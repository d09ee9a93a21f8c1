"""Where the files of a model are. A model is named by its folder, or by the file of its weights.

config.json                          the numbers of the architecture, where the weights' own file does not hold them
generation_config.json               may be absent; where it is there, its eos_token_id stands, config.json's does not
model.safetensors, ...               the weights: of `WEIGHTS_FILES` the first that is there, as in transformers; or
else the only file whose content is that of a format that can be read
vocab.json and merges.txt, ...       for the tokenizer; not read here
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from starchart.checkpoints.formats import format_of
from starchart.errors import CheckpointError
from starchart.files.json_file import shown
from starchart.files.regular_file import is_file_or_warn, what_is_there

WEIGHTS_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "model.ckpt.index",
)
LAYOUT = (
    "a model folder holds config.json, weights (safetensors, pytorch_model.bin, GGUF, TensorFlow, llm.c or npz),"
    " vocab.json and merges.txt (or tokenizer.json)"
)
SUFFIXES = (".safetensors", ".gguf", ".npz", ".bin", ".pt", ".pth", ".index")
_SHARD = re.compile(r"-[0-9]{5}-of-([0-9]{5})\.(safetensors|bin)")
# Not looked into: texts of the tokenizer, of the configuration, about the model; and what is not whole yet.
_NO_WEIGHTS = (".json", ".txt", ".md", ".part", ".incomplete", ".tmp")
UNREAD = ("tf_model.h5", "flax_model.msgpack")


def weights_in(folder: Path) -> Path | None:
    """Return the file of the weights in `folder`, or None if there is none.

    Raises CheckpointError if there are several to choose from and none has a name of WEIGHTS_FILES.
    """
    for place, name in enumerate(WEIGHTS_FILES):
        if os.path.isfile(folder / name):
            _warn_of_others(folder, WEIGHTS_FILES[:place])
            return folder / name
    found = sorted(path for path in folder.iterdir() if path.suffix not in _NO_WEIGHTS and path.is_file())
    found = [path for path in found if format_of(path)]
    if found:
        _refuse_shard(found[0], "its index is missing here, fetch it: model.safetensors.index.json or the like")
    if len(found) > 1:
        names = ", ".join(shown(path.name) for path in found)
        raise CheckpointError(f"{folder}: holds more than one file of weights: {names}; give the path of one")
    if found:
        _warn_of_others(folder, WEIGHTS_FILES)
    return found[0] if found else None


def find_weights(model: Path) -> Path:
    """Return the path of the weights of a model, or of their index. Raises CheckpointError if they are not there."""
    if os.path.isfile(model):
        _refuse_shard(model, "give the folder that holds them all")
        return model
    if not os.path.isdir(model):
        state = what_is_there(model) or "there is no such folder or file"
        raise CheckpointError(f"{model}: {state}; {LAYOUT}")
    path = weights_in(model)
    if path:
        return path
    for name in UNREAD:
        if os.path.isfile(model / name):
            raise CheckpointError(
                f"{model / name}: this format is not read; convert it with transformers: "
                "GPT2LMHeadModel.from_pretrained(folder).save_pretrained(folder)"
            )
    others = sorted(path for path in model.iterdir() if path.suffix in SUFFIXES)
    for path in (*(model / name for name in WEIGHTS_FILES), *others):
        if fault := what_is_there(path):
            raise CheckpointError(f"{path}: cannot be read: {fault}; put the file of the weights in its place")
    raise CheckpointError(f"{model}: holds no weights; {LAYOUT}")


def _warn_of_others(folder: Path, names: Iterable[str]) -> None:
    """Warn of what has one of these names, which come first, and is no regular file."""
    for name in names:
        is_file_or_warn(folder / name)


def _refuse_shard(path: Path, advice: str) -> None:
    """Raise CheckpointError if a file is one of several that make a model together, by its name."""
    found = _SHARD.search(path.name)
    if found and int(found[1]) > 1:
        raise CheckpointError(f"{path}: is one shard of {int(found[1])}, not a whole model; {advice}")
