"""The values in the index of a TensorFlow checkpoint: the number of data files, and where each tensor lies in them.

    BundleHeaderProto    under the empty key: 1 num_shards, 2 endianness (0 little), 3 version
    VersionDef           1 producer, 2 min_consumer
    BundleEntryProto     under a tensor's name: 1 dtype, 2 shape, 3 shard_id, 4 offset, 5 size, 6 crc32c, 7 slices
    TensorShapeProto     2 dim (1 size), 3 unknown_rank

They are protocol buffers, of which this much is needed: a message becomes its fields by number.

    message    fields, one after another: key, value
    key        varint: 8 * (number of the field) + wire type
    value      by wire type: 0 varint, 1 eight bytes, 2 a length (varint) and bytes of that length, 5 four bytes
    varint     7 bits in each byte, the lowest first; the highest bit says that another byte follows

Groups (wire types 3 and 4) are not in these messages, and are refused. A message inside a message stays bytes until it
is needed, so a file cannot make the reader recurse. Sources: protobuf.dev, "Encoding"; TensorFlow,
core/protobuf/tensor_bundle.proto, core/framework/tensor_shape.proto, types.proto, versions.proto.
"""

from dataclasses import dataclass
from typing import TypeAlias

from starchart.checkpoints.numbers.number_types import item_bytes
from starchart.errors import CheckpointError

Message: TypeAlias = dict[int, list[int | bytes]]  # every value that a field has, in order
_LONGEST_VARINT = 10  # bytes
_FIXED = {1: 8, 5: 4}  # wire type: bytes
HEADER_KEY = b""
_VERSION = 1  # of the format
# Types of numbers by TensorFlow's number.
_FLOATS = {1: "F32", 2: "F64", 14: "BF16", 19: "F16"}
_DTYPES = _FLOATS | {3: "I32", 4: "U8", 5: "I16", 6: "I8", 9: "I64", 10: "BOOL", 17: "U16"}
_MOST_AXES = 8


@dataclass(frozen=True)
class BundlePlace:
    """The place of a tensor: `offset` counts from the first byte of data file number `shard`."""

    shard: int
    offset: int
    size: int


@dataclass(frozen=True)
class BundleEntry:
    """One tensor in the index."""

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
    """Return the place of a tensor of any type. `source` names file and tensor in CheckpointError."""
    return _place(read_message(value, source), shards, source)


def read_bundle_entry(value: bytes, shards: int, source: str) -> BundleEntry:
    """Return the entry of a tensor of numbers, checked. `source` names file and tensor in CheckpointError."""
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
    for dim in shape:
        expected *= dim
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
    dims = tuple(one_number(axis, 1, source) for axis in axes)
    if any(dim < 0 for dim in dims):
        raise CheckpointError(f"{source}: its shape must be whole numbers of at least 0, not {list(dims)}")
    return dims


def read_message(data: bytes, source: str) -> Message:
    """Return the fields of a message. Raises CheckpointError.

    >>> read_message(bytes.fromhex("08 01 12 02 6869 08 02"), "example")
    {1: [1, 2], 2: [b'hi']}
    """
    fields: Message = {}
    place = 0
    while place < len(data):
        key, place = read_varint(data, place, source)
        number, wire_type = key >> 3, key & 7
        value: int | bytes
        if wire_type == 0:
            value, place = read_varint(data, place, source)
        elif wire_type == 2:
            length, place = read_varint(data, place, source)
            value, place = _cut(data, place, length, source), place + length
        elif wire_type in _FIXED:
            size = _FIXED[wire_type]
            value, place = int.from_bytes(_cut(data, place, size, source), "little"), place + size
        else:
            raise CheckpointError(f"{source}: field {number} is of wire type {wire_type}, which no such message has")
        fields.setdefault(number, []).append(value)
    return fields


def read_varint(data: bytes, start: int, source: str) -> tuple[int, int]:
    """Return the number at `start`, below 2^64, and where it ends. `source` names the data in CheckpointError.

    >>> read_varint(bytes.fromhex("ff ac02"), 1, "example")
    (300, 3)
    """
    value = 0
    for index, byte in enumerate(data[start : start + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, start + index + 1
    raise CheckpointError(f"{source}: a number is cut off or has more than 64 bits; fetch the file again")


def one_number(fields: Message, number: int, source: str) -> int:
    """Return a field that is one signed 64-bit number; 0 if it is not there. Raises CheckpointError."""
    values = fields.get(number, [0])
    value = values[0]
    if len(values) > 1 or not isinstance(value, int):
        raise CheckpointError(f"{source}: field {number} is not one number")
    return value - (1 << 64) if value >= 1 << 63 else value


def messages(fields: Message, number: int, source: str) -> list[Message]:
    """Return a field that holds messages, as many as there are. Raises CheckpointError."""
    values = fields.get(number, [])
    parts = [value for value in values if isinstance(value, bytes)]
    if len(parts) != len(values):
        raise CheckpointError(f"{source}: field {number} is a number and not a message")
    return [read_message(part, source) for part in parts]


def _cut(data: bytes, start: int, length: int, source: str) -> bytes:
    if length > len(data) - start:
        raise CheckpointError(f"{source}: a field says it is {length} bytes long, but {len(data) - start} are left")
    return data[start : start + length]
