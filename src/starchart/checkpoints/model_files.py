"""Finds the weights of a model, and their format. A model is named by its folder, or by the file of its weights.

config.json                          the numbers of the architecture, if the file of the weights does not hold them
generation_config.json               optional; if it is there, its eos_token_id counts and not that of config.json
model.safetensors, ...               the weights: the first of `WEIGHTS_FILES` that is there, as in transformers; else
                                     the only file whose content has a format that can be read
vocab.json and merges.txt, ...       for the tokenizer; not read here
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from starchart.checkpoints.formats import FORMATS, SHARDS, Format
from starchart.checkpoints.refusals import refuse_foreign
from starchart.checkpoints.stored_tensor import opened, stamp_of
from starchart.errors import CheckpointError, NoWeightsError
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
UNREAD = ("tf_model.h5", "flax_model.msgpack")
# Not opened in the search: files of the tokenizer, the configuration, documentation, partial downloads.
_NO_WEIGHTS = (".json", ".txt", ".md", ".part", ".incomplete", ".tmp")
_SHARD = re.compile(r"-[0-9]{5}-of-([0-9]{5})\.(safetensors|bin)")
_SHORTEST = 8  # bytes; no format has so short a file
_ENDS = 1000  # bytes at the beginning and at the end of a file, by which its format is recognised


def find_weights(model: Path) -> tuple[Path, Format]:
    """Return the path of the weights of a model, or of their index, and their format.

    Raises CheckpointError if the weights cannot be read, NoWeightsError if the folder of the model has none.
    """
    path = weights_path(model)
    return path, known_format(path)


def weights_path(model: Path) -> Path:
    """Return the path of the weights of a model, or of their index. Raises as `find_weights` does."""
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
            raise NoWeightsError(
                f"{model / name}: this format is not read; convert it with transformers: "
                "GPT2LMHeadModel.from_pretrained(folder).save_pretrained(folder)"
            )
    others = sorted(path for path in model.iterdir() if path.suffix in SUFFIXES)
    for path in (*(model / name for name in WEIGHTS_FILES), *others):
        if fault := what_is_there(path):
            raise NoWeightsError(f"{path}: cannot be read: {fault}; put the file of the weights in its place")
    raise NoWeightsError(f"{model}: holds no weights; {LAYOUT}")


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


def format_of(path: Path) -> Format | None:
    """Return the format of the file at `path`, or None if it has none of those that can be read.

    Raises CheckpointError if the file cannot be read at all.
    """
    if path.name.endswith(".index.json"):
        return SHARDS
    first, last = _ends(path)
    for kind in FORMATS:
        if (kind.begins and kind.begins(first)) or (kind.ends and kind.ends(last)):
            return kind
    return None


def known_format(path: Path) -> Format:
    """Return the format of the file at `path`. Raises CheckpointError if it has none that can be read."""
    found = format_of(path)
    if found:
        return found
    first, _ = _ends(path)
    refuse_foreign(first, str(path))
    if len(first) <= _SHORTEST:
        state = f"is cut off after {len(first)} bytes" if first else "is empty"
        raise CheckpointError(f"{path}: {state}; fetch it again")
    raise CheckpointError(f"{path}: is of no format that can be read; it begins with {first[:8]!r}")


def _ends(path: Path) -> tuple[bytes, bytes]:
    with opened(path) as file:
        first = file.read(_ENDS)
        file.seek(max(0, stamp_of(file)[0] - _ENDS))
        return first, file.read(_ENDS)


def _warn_of_others(folder: Path, names: Iterable[str]) -> None:
    """Warn of everything with one of these names, which have priority, that is not a regular file."""
    for name in names:
        is_file_or_warn(folder / name)


def _refuse_shard(path: Path, advice: str) -> None:
    """Raise CheckpointError if the name of a file says that it is one of several that make a model together."""
    found = _SHARD.search(path.name)
    if found and int(found[1]) > 1:
        raise CheckpointError(f"{path}: is one shard of {int(found[1])}, not a whole model; {advice}")
