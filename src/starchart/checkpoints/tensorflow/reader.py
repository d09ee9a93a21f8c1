"""TensorFlow checkpoints: the index, the tensors in the data files beside it, and the configuration in hparams.json.

    NAME.index                     the table of names and places
    NAME.data-00000-of-00001       the numbers, little-endian, one tensor after another; there may be several such files
    NAME.meta, checkpoint          not read
    hparams.json                   {"n_vocab": 50257, "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12}

The rest of the configuration is the same in all of OpenAI's models: F = 4 C, the tanh form of GELU, epsilon 1e-5, a
tied head. The names of the data files are made from that of the index; nothing in the index can lead elsewhere. The
checksums of the tensors are not checked: CRC-32C takes Python minutes for half a gigabyte. Sources: TensorFlow,
core/util/tensor_bundle/tensor_bundle.h; openai/gpt-2, src/model.py.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from starchart.checkpoints.end_of_text import end_of_text
from starchart.checkpoints.refusals import refuse_too_many
from starchart.checkpoints.stored_tensor import Stamp, StoredTensor, opened, stamp_of
from starchart.checkpoints.tensorflow.bundle import (
    HEADER_KEY,
    BundleEntry,
    BundlePlace,
    read_bundle_entry,
    read_bundle_header,
    read_bundle_place,
)
from starchart.checkpoints.tensorflow.names import hugging_face_name, is_weight
from starchart.checkpoints.tensorflow.table import read_table
from starchart.errors import CheckpointError, ConfigError
from starchart.files.json_file import read_json_file, shown
from starchart.model.config import GPT2Config

_NAMES = {"n_vocab": "vocab_size", "n_ctx": "n_positions", "n_embd": "n_embd", "n_head": "n_head", "n_layer": "n_layer"}
_SUFFIX = ".index"


def open_tensorflow(index: Path) -> dict[str, StoredTensor]:
    """Return the tensors of the checkpoint with this index by Hugging Face's names. Raises CheckpointError."""
    if index.suffix != _SUFFIX:
        raise CheckpointError(
            f"{index}: is an index of TensorFlow; its name must end in {_SUFFIX}, as its original name does"
        )
    with opened(index) as file:
        table = read_table(file, stamp_of(file)[0], str(index))
    if HEADER_KEY not in table:
        raise CheckpointError(f"{index}: has no header under the empty key; it is no index of TensorFlow")
    shards = read_bundle_header(table.pop(HEADER_KEY), str(index))
    entries = {
        name: read_bundle_entry(value, shards, f"{index}: tensor {shown(name)}")
        for name, value in _weights(table, index).items()
    }
    used = {entry.place.shard for entry in entries.values()}
    stamps = {shard: _stamp(_data_file(index, shard, shards), index) for shard in used}
    _check_places(_places(table, shards, index), stamps, index)
    return {
        hugging_face_name(name): StoredTensor(
            name,
            entry.dtype,
            _shape(name, entry),
            _data_file(index, entry.place.shard, shards),
            entry.place.offset,
            stamps[entry.place.shard],
        )
        for name, entry in entries.items()
    }


def read_hparams(index: Path) -> GPT2Config:
    """Return the configuration in the hparams.json beside the index of a checkpoint. Raises ConfigError."""
    path = index.with_name("hparams.json")
    values = read_json_file(path, ConfigError)
    missing = [name for name in _NAMES if name not in values]
    if missing:
        raise ConfigError(f"{path}: lacks {', '.join(missing)}; get the hparams.json that belongs to the checkpoint")
    sizes = {ours: values[name] for name, ours in _NAMES.items()}
    try:
        config = GPT2Config(**sizes)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return replace(config, eos_token_ids=end_of_text(index.parent, config.vocab_size))


def _weights(table: dict[bytes, bytes], index: Path) -> dict[str, bytes]:
    try:
        weights = {name.decode(): value for name, value in table.items() if is_weight(name)}
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{index}: the name {error.object[:100]!r} of a tensor is not UTF-8 text") from None
    if not weights:
        held = ", ".join(str(name[:100]) for name in list(table)[:5]) or "no tensors at all"
        raise CheckpointError(f"{index}: holds no GPT-2 with OpenAI's names (model/wte and so on), but {held}")
    refuse_too_many(len(weights), str(index))
    return weights


def _places(table: Mapping[bytes, bytes], shards: int, index: Path) -> list[tuple[str, BundlePlace]]:
    """Return the place of every variable, weight or not, with a description for messages."""
    whats = [f"{index}: tensor {shown(name.decode(errors='backslashreplace'))}" for name in table]
    return [(what, read_bundle_place(value, shards, what)) for what, value in zip(whats, table.values(), strict=True)]


def _data_file(index: Path, shard: int, shards: int) -> Path:
    return index.with_name(f"{index.stem}.data-{shard:05}-of-{shards:05}")


def _stamp(data: Path, index: Path) -> Stamp:
    if not os.path.lexists(data):
        raise CheckpointError(f"{data}: there is no such file; it must lie beside {index.name}, whose numbers it holds")
    with opened(data) as file:
        return stamp_of(file)


def _check_places(places: Sequence[tuple[str, BundlePlace]], stamps: Mapping[int, Stamp], index: Path) -> None:
    """Refuse tensors that reach past the end of their data file or overlap, and bytes after the last tensor.

    In the data files that have weights, variables that are not weights count too.
    """
    ends = dict.fromkeys(stamps, 0)
    for what, place in sorted(places, key=lambda item: (item[1].shard, item[1].offset, item[1].size)):
        if place.shard not in stamps:
            continue
        end, size = place.offset + place.size, stamps[place.shard][0]
        if end > size:
            raise CheckpointError(f"{what}: ends at byte {end} of a data file that has {size}; fetch that again")
        if place.offset < ends[place.shard]:
            raise CheckpointError(f"{what}: overlaps the tensor before it, which ends at byte {ends[place.shard]}")
        ends[place.shard] = end
    for shard, end in ends.items():
        if end < stamps[shard][0]:
            raise CheckpointError(
                f"{index}: the tensors in data file {shard} (from 0) end at byte {end}, but it has {stamps[shard][0]};"
                " fetch both again"
            )


def _shape(name: str, entry: BundleEntry) -> tuple[int, ...]:
    """Return the shape that the model uses, without the width 1: a linear layer is a convolution in the file."""
    if name.endswith("/w") and len(entry.shape) == 3 and entry.shape[0] == 1:
        return entry.shape[1:]
    return entry.shape
