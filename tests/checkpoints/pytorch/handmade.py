"""Files of torch.save made by hand, opcode by opcode, so that they can be false. Nothing here uses starchart or torch.

The archive is written by Python's zipfile, the pickles around the one in question by Python's pickle.
"""

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def group(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def counts(values: tuple[int, ...]) -> bytes:
    return group(*map(number, values))


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + group(*arguments) + b"R"


HOOKS = call(name("collections", "OrderedDict"))


def storage(key: str = "0", count: int = 6, kind: bytes = name("torch", "FloatStorage")) -> bytes:
    """A reference to a storage."""
    return group(text("storage"), kind, text(key), text("cpu"), number(count)) + b"Q"


def tensor(
    shape: tuple[int, ...] = (2, 3),
    strides: tuple[int, ...] = (3, 1),
    offset: int = 0,
    of: bytes = storage(),
) -> bytes:
    """A tensor; its storage has six numbers if nothing else is said."""
    view = number(offset), counts(shape), counts(strides)
    return call(name("torch._utils", "_rebuild_tensor_v2"), of, *view, b"\x89", HOOKS)


def program(value: bytes, protocol: int = 2) -> bytes:
    """A pickle of one value."""
    return b"\x80" + bytes([protocol]) + value + b"."


def state_dict(**values: bytes) -> bytes:
    """A pickle of a dict."""
    return program(b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u")


def archive(data: bytes, storages: Mapping[str, bytes] = {"0": bytes(24)}, **more: bytes) -> bytes:
    """A zip archive as torch.save lays it out, with this as data.pkl."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        members.writestr("archive/data.pkl", data)
        members.writestr("archive/byteorder", more.pop("byteorder", b"little"))
        for key, value in storages.items():
            members.writestr(f"archive/data/{key}", value)
        members.writestr("archive/version", b"3\n")
        for key, value in more.items():
            members.writestr(f"archive/{key}", value)
    return file.getvalue()


def legacy(
    data: bytes,
    storages: Mapping[str, tuple[int, bytes]] | None = None,
    magic: object = MAGIC,
    version: object = 1001,
    system: object = SYSTEM,
    keys: object = None,
) -> bytes:
    """A file of the older format, with this as the pickle of what was saved: with storage 0 if it refers to one."""
    if storages is None:
        storages = {"0": (6, bytes(24))} if text("storage") in data else {}
    listed = sorted(storages) if keys is None else keys
    first = b"".join(pickle.dumps(value, protocol=2) for value in (magic, version, system))
    rest = b"".join(struct.pack("<q", count) + numbers for _, (count, numbers) in sorted(storages.items()))
    return first + data + pickle.dumps(listed, protocol=2) + rest
