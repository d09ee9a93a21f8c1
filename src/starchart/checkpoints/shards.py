"""A checkpoint in several files (shards), with an index that names the file of every tensor.

    model.safetensors.index.json    {"weight_map": {"wte.weight": "model-00001-of-00002.safetensors", ...}, ...}
    pytorch_model.bin.index.json    {"weight_map": {"wte.weight": "pytorch_model-00001-of-00002.bin", ...}, ...}

The index and the files must agree: every tensor in the index is in the file that it names, and no file holds any other
tensor. Source: transformers, documentation of models, "Sharded checkpoints".
"""

import re
from pathlib import Path

from starchart.checkpoints.names import is_mask, our_name
from starchart.checkpoints.pytorch.reader import FIRST_BYTES, is_pytorch, open_pytorch
from starchart.checkpoints.refusals import refuse_too_many
from starchart.checkpoints.safetensors.reader import is_safetensors, open_safetensors
from starchart.checkpoints.stored_tensor import StoredTensor, opened
from starchart.errors import CheckpointError
from starchart.files.json_file import read_json_file, shown

# A plain name: no folder, no drive, no "..", nothing hidden. An index must not lead out of its own folder.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(\.safetensors|\.bin)")
_LONGEST_NAME = 255  # characters; the limit of file systems


def open_shards(index: Path) -> dict[str, StoredTensor]:
    """Return the tensors of all files in `index` by name. Raises CheckpointError."""
    weight_map = read_weight_map(index)
    tensors: dict[str, StoredTensor] = {}
    for file_name in sorted(set(weight_map.values())):
        shard = _open_shard(index.parent / file_name)
        _check_shard(shard, tensors, weight_map, file_name, index)
        tensors.update(shard)
    lost = [name for name in weight_map if name not in tensors and not is_mask(our_name(name))]
    if lost:
        name = lost[0]
        raise CheckpointError(f"{index}: says that tensor {shown(name)} is in {shown(weight_map[name])}, but it is not")
    return tensors


def _open_shard(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of one file. Its content tells its format; if that is not clear, its name does."""
    with opened(path) as file:
        first = file.read(FIRST_BYTES)
    by_name = path.suffix == ".bin" and not is_safetensors(first)
    return open_pytorch(path) if by_name or is_pytorch(first) else open_safetensors(path)


def read_weight_map(index: Path) -> dict[str, str]:
    """Return the file name for each tensor, without a folder. Raises CheckpointError for anything but an index."""
    weight_map = read_json_file(index, CheckpointError).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(value, str) for value in weight_map.values()):
        raise CheckpointError(f"{index}: must hold a weight_map from names of tensors to names of files")
    refuse_too_many(len(weight_map), str(index))
    for file_name in set(weight_map.values()):
        if len(file_name) > _LONGEST_NAME or not _PLAIN_NAME.fullmatch(file_name):
            raise CheckpointError(
                f"{index}: {shown(file_name)} is not the name of a .safetensors or .bin file in its own folder"
            )
    return weight_map


def _check_shard(
    shard: dict[str, StoredTensor],
    earlier: dict[str, StoredTensor],
    weight_map: dict[str, str],
    file_name: str,
    index: Path,
) -> None:
    for name, tensor in shard.items():
        if name in earlier:
            raise CheckpointError(f"{tensor}: is also in {earlier[name].path.name}")
        if name not in weight_map:
            raise CheckpointError(f"{tensor}: is not in {index.name}")
        if weight_map[name] != file_name:
            raise CheckpointError(f"{tensor}: should be in {shown(weight_map[name])}, says {index.name}")
