"""Which files of a model are needed, given the names of the files that exist.

config.json, generation_config.json, added_tokens.json     the first is required
vocab.json and merges.txt, or tokenizer.json               the first two if both forms exist
the weights                                                 safetensors before PyTorch; one file before shards

A GGUF file needs no others. OpenAI's TensorFlow checkpoint needs hparams.json, encoder.json and vocab.bpe.
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
# A plain name: no folder, no drive, no "..", no dot at the start.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class NeededFiles:
    """The files of one model, by name.

    `small` are the existing files besides the weights. `weights` is one file, or the index of shards, or several files
    if the choice is unclear. `missing` are required and do not exist.
    """

    small: Sequence[str]
    weights: Sequence[str]
    missing: Sequence[str]


def needed_files(names: Collection[str]) -> NeededFiles:
    """Return which files are needed of a model that has files of these names.

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
    """Return the names of required files that `folder` lacks: other tools may download only some files of a model.

    Weights in an unsupported format do not count as missing, and neither do the shards of a damaged index: the loader
    reports these.
    """
    names = [name for name in os.listdir(folder) if os.path.isfile(folder / name)]
    needed = needed_files(names)
    missing = list(needed.missing)
    if needed.weights and is_index(needed.weights[0]):
        with suppress(CheckpointError):
            missing += [name for name in shard_names(folder / needed.weights[0]) if name not in names]
    return missing


def shard_names(index: Path) -> list[str]:
    """Return the names of the shards in an index. Raises CheckpointError if the file is not an index."""
    return sorted(set(read_weight_map(index).values()))


def is_index(weights: str) -> bool:
    """Return whether this file is an index of shards."""
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
    """Return the files that are required besides these weights."""
    if weights.endswith(".gguf"):
        return ()
    if weights == "model.ckpt.index":
        return _TENSORFLOW
    both = all(name in names for name in _VOCABULARY)
    return (_CONFIG, *(_VOCABULARY if both or "tokenizer.json" not in names else ("tokenizer.json",)))
