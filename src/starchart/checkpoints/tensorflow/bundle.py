"""What the index of a TensorFlow checkpoint says: how many data files there are, and where each tensor lies in them.

    BundleHeaderProto    under the empty key: 1 num_shards, 2 endianness (0 little), 3 version
    VersionDef           1 producer, 2 min_consumer
    BundleEntryProto     under a tensor's name: 1 dtype, 2 shape, 3 shard_id, 4 offset, 5 size, 6 crc32c, 7 slices
    TensorShapeProto     2 dim (1 size), 3 unknown_rank

Source: TensorFlow, core/protobuf/tensor_bundle.proto, core/framework/tensor_shape.proto, types.proto, versions.proto.
"""

from dataclasses import dataclass

from starchart.checkpoints.numbers.dtypes import item_bytes
from starchart.checkpoints.tensorflow.protobuf import Message, messages, one_number, read_message
from starchart.errors import CheckpointError

HEADER_KEY = b""

_VERSION = 1  # of the format
# Types of numbers by TensorFlow's number.
_FLOATS = {1: "F32", 2: "F64", 14: "BF16", 19: "F16"}
_DTYPES = _FLOATS | {3: "I32", 4: "U8", 5: "I16", 6: "I8", 9: "I64", 10: "BOOL", 17: "U16"}
_MOST_AXES = 8


@dataclass(frozen=True)
class BundlePlace:
    """Where a tensor lies: `offset` counts from the first byte of data file number `shard`."""

    shard: int
    offset: int
    size: int


@dataclass(frozen=True)
class BundleEntry:
    """A tensor of numbers."""

    dtype: str
    shape: tuple[int, ...]
    place: BundlePlace


def read_bundle_header(value: bytes, source: str) -> int:
    """Return the number of data files. Raises CheckpointError."""
    source = f"{source}: header"
    fields = read_message(value, source)
    shards = one_number(fields, 1, source)
    if shards < 1:
        raise CheckpointError(f"{source}: says there are {shards} data files")
    if one_number(fields, 2, source):
        raise CheckpointError(f"{source}: says the numbers are not little-endian; save them on a little-endian machine")
    for version in messages(fields, 3, source):
        if one_number(version, 2, source) > _VERSION:
            raise CheckpointError(
                f"{source}: is of a version that came after {_VERSION}, which is the one that is read"
            )
    return shards


def read_bundle_place(value: bytes, shards: int, source: str) -> BundlePlace:
    """Return where a tensor lies, whatever is in it. `source` names file and tensor in CheckpointError."""
    return _place(read_message(value, source), shards, source)


def read_bundle_entry(value: bytes, shards: int, source: str) -> BundleEntry:
    """Return a tensor of numbers, checked by itself. `source` names file and tensor in CheckpointError."""
    fields = read_message(value, source)
    if 7 in fields:
        raise CheckpointError(f"{source}: is saved in slices; save it whole, from variables that are not partitioned")
    number = one_number(fields, 1, source)
    if number not in _DTYPES:
        raise CheckpointError(f"{source}: is of TensorFlow's type number {number}, which is no type of a weight")
    dtype = _DTYPES[number]
    shape = _shape(value, source)
    place = _place(fields, shards, source)
    expected = item_bytes(dtype)
    for length in shape:
        expected *= length
    if expected != place.size:
        raise CheckpointError(
            f"{source}: shape {list(shape)} of {dtype} does not fill the {place.size} bytes it is given"
        )
    return BundleEntry(dtype, shape, place)


def _place(fields: Message, shards: int, source: str) -> BundlePlace:
    shard, offset, size = (one_number(fields, field, source) for field in (3, 4, 5))
    if not 0 <= shard < shards:
        raise CheckpointError(f"{source}: is said to be in data file {shard} (from 0), but there are {shards}")
    if offset < 0 or size < 0:
        raise CheckpointError(f"{source}: offset {offset} and size {size} must be at least 0")
    return BundlePlace(shard, offset, size)


def _shape(value: bytes, source: str) -> tuple[int, ...]:
    shapes = messages(read_message(value, source), 2, source)
    if len(shapes) > 1 or any(one_number(shape, 3, source) for shape in shapes):
        raise CheckpointError(f"{source}: has no shape, or more than one")
    axes = [axis for shape in shapes for axis in messages(shape, 2, source)]
    if len(axes) > _MOST_AXES:
        raise CheckpointError(f"{source}: has {len(axes)} axes; no tensor of a GPT-2 has more than {_MOST_AXES}")
    lengths = tuple(one_number(axis, 1, source) for axis in axes)
    if any(length < 0 for length in lengths):
        raise CheckpointError(f"{source}: its shape must be whole numbers of at least 0, not {list(lengths)}")
    return lengths
