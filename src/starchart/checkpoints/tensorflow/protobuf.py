"""Protocol buffers, as much of them as an index needs: a message becomes its fields by number.

    message    fields, one after another: key, value
    key        varint: 8 * (number of the field) + wire type
    value      by wire type: 0 varint, 1 eight bytes, 2 a length (varint) and so many bytes, 5 four bytes
    varint     7 bits a byte, the lowest first; the highest bit says that another byte follows

Source: protobuf.dev, "Encoding". Groups (wire types 3 and 4) are not in these messages, and are refused. A message in
a message is bytes here, so nothing is as deep as the file says.
"""

from typing import TypeAlias

from starchart.errors import CheckpointError

Message: TypeAlias = dict[int, list[int | bytes]]  # every value that a field has, in order

_LONGEST_VARINT = 10  # bytes
_FIXED = {1: 8, 5: 4}  # wire type: bytes


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


def _cut(data: bytes, start: int, length: int, source: str) -> bytes:
    if length > len(data) - start:
        raise CheckpointError(f"{source}: a field says it is {length} bytes long, but {len(data) - start} are left")
    return data[start : start + length]


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
