"""Which files of a model are read, told from the names of those that there are.

config.json, generation_config.json, added_tokens.json     the first must be there
vocab.json and merges.txt, or tokenizer.json               the first two where there are both forms
the weights                                                 safetensors before PyTorch's, one file before shards

A GGUF file needs none of the others. OpenAI's TensorFlow checkpoint comes with files of its own.
"""

import os
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from starchart.checkpoints.model_files import UNREAD, WEIGHTS_FILES
from starchart.checkpoints.shards import read_weight_map
from starchart.errors import CheckpointError

_CONFIG = "config.json"
_OPTIONAL = ("generation_config.json", "added_tokens.json")
_VOCABULARY = ("vocab.json", "merges.txt")
TENSORFLOW_DATA = "model.ckpt.data-00000-of-00001"
_TENSORFLOW = (TENSORFLOW_DATA, "hparams.json", "encoder.json", "vocab.bpe")
_SUFFIXES = (".safetensors", ".gguf", ".npz")
# A plain name: no folder, no drive, no "..", nothing hidden.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class NeededFiles:
    """The files of one model, by name.

    `small` are those that are read besides the weights. `weights` is one file, or the index of several; more than one
    where there is no telling which is meant. `missing` are needed and not there.
    """

    small: Sequence[str]
    weights: Sequence[str]
    missing: Sequence[str]


def needed_files(names: Collection[str]) -> NeededFiles:
    """Return which files are read of a model that has files of these names.

    >>> needed_files(["config.json", "model.safetensors", "pytorch_model.bin", "tokenizer.json", "README.md"])
    NeededFiles(small=['config.json', 'tokenizer.json'], weights=['model.safetensors'], missing=[])
    """
    weights = _weights(names)
    required = _beside(weights[0] if weights else "", names)
    small = [name for name in (*required, *_OPTIONAL) if name in names]
    missing = [name for name in required if name not in names]
    if not weights and not any(name in names for name in UNREAD):
        missing.insert(_CONFIG in missing, WEIGHTS_FILES[0])
    return NeededFiles(small, weights, missing)


def missing_files(folder: Path) -> list[str]:
    """Return the names of files that a model needs and `folder` lacks: a download may have been of some files only.

    Weights in a format that cannot be read are not missing; the loader says what to do about them, and about an index
    that is damaged.
    """
    names = [name for name in os.listdir(folder) if os.path.isfile(folder / name)]
    needed = needed_files(names)
    missing = list(needed.missing)
    if needed.weights and is_index(needed.weights[0]):
        with suppress(CheckpointError):
            missing += [name for name in shard_names(folder / needed.weights[0]) if name not in names]
    return missing


def shard_names(index: Path) -> list[str]:
    """Return the names of the files in the index of a checkpoint. Raises CheckpointError if it is no such index."""
    return sorted(set(read_weight_map(index).values()))


def is_index(weights: str) -> bool:
    """Return whether this file of the weights is an index of several."""
    return weights.endswith(".index.json")


def _weights(names: Collection[str]) -> list[str]:
    for name in WEIGHTS_FILES:
        if name in names:
            return [name]
    for suffix in _SUFFIXES:
        if found := sorted(name for name in names if name.endswith(suffix) and _PLAIN_NAME.fullmatch(name)):
            return found
    return []


def _beside(weights: str, names: Collection[str]) -> Sequence[str]:
    """Return the files that must be there besides these weights."""
    if weights.endswith(".gguf"):
        return ()
    if weights == "model.ckpt.index":
        return _TENSORFLOW
    both = all(name in names for name in _VOCABULARY)
    return (_CONFIG, *(_VOCABULARY if both or "tokenizer.json" not in names else ("tokenizer.json",)))
