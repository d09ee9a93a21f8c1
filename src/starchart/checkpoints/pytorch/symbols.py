"""The names that a pickle of tensors may use. Each becomes a symbol; nothing of torch is imported or called.

    torch._utils._rebuild_tensor_v2(storage, offset, size, strides, requires_grad, hooks, metadata = None)
    torch._utils._rebuild_tensor_v3(storage, offset, size, strides, requires_grad, hooks, dtype, metadata = None)
    torch._utils._rebuild_parameter(tensor, requires_grad, hooks)
    torch._utils._rebuild_parameter_with_state(tensor, requires_grad, hooks, state)
    collections.OrderedDict()
    torch.FloatStorage, ... (of torch.cuda in older files), torch.storage.UntypedStorage, torch.float32, ...

A storage is a run of numbers in the file; a tensor is a view of one. Here their descriptions are only recorded, as
plain numbers; `reader` compares them with the file. Source: PyTorch 2.13, torch/_utils.py and torch/serialization.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from starchart.errors import CheckpointError
from starchart.files.json_file import shown

Arguments: TypeAlias = tuple[Any, ...]
Counts: TypeAlias = tuple[int, ...]

_MOST_AXES = 8  # a mask has four
_LONGEST_KEY = 100

# torch's name, the name of its storage class if there is one, the dtype of StoredTensors
_NUMBERS = (
    ("float64", "DoubleStorage", "F64"),
    ("float32", "FloatStorage", "F32"),
    ("float16", "HalfStorage", "F16"),
    ("bfloat16", "BFloat16Storage", "BF16"),
    ("int64", "LongStorage", "I64"),
    ("int32", "IntStorage", "I32"),
    ("int16", "ShortStorage", "I16"),
    ("int8", "CharStorage", "I8"),
    ("uint8", "ByteStorage", "U8"),
    ("bool", "BoolStorage", "BOOL"),
    ("complex64", "ComplexFloatStorage", "C64"),
    ("complex128", "ComplexDoubleStorage", "C128"),
    ("uint16", "", "U16"),
    ("uint32", "", "U32"),
    ("uint64", "", "U64"),
    ("float8_e4m3fn", "", "F8_E4M3"),
    ("float8_e4m3fnuz", "", "F8_E4M3FNUZ"),
    ("float8_e5m2", "", "F8_E5M2"),
    ("float8_e5m2fnuz", "", "F8_E5M2FNUZ"),
    ("float8_e8m0fnu", "", "F8_E8M0"),
)


@dataclass(frozen=True, slots=True)
class Dtype:
    """torch.float32 and the others."""

    dtype: str


@dataclass(frozen=True, slots=True)
class StorageType:
    """torch.FloatStorage and the others; an untyped storage counts bytes."""

    dtype: str


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of `count` numbers, which is called `key` in the file."""

    dtype: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view of a storage; `offset` and `strides` count numbers."""

    storage: Storage
    dtype: str
    offset: int
    shape: Counts
    strides: Counts


@dataclass(frozen=True, slots=True)
class Callee:
    """Our function in the place of one of torch's: it takes the arguments and the name of the file."""

    call: Callable[[Arguments, str], Any]


def storage_of(saved_id: Any, source: str) -> Storage:
    """Return the storage for a persistent id: ("storage", type, key, location, count).

    Files of the older format add None, or a range of another storage, which is refused. Raises CheckpointError.
    """
    match saved_id:
        case (str("storage"), StorageType(dtype=dtype), str(key), str(), int(count), *view):
            if view in ([], [None]) and _are_counts((count,)) and len(key) <= _LONGEST_KEY:
                return Storage(dtype, key, count)
    raise CheckpointError(f"{source}: refers by its persistent id to what is no storage: {shown(saved_id)}")


def _are_counts(values: Any) -> bool:
    # type() and not isinstance: in Python, True is an int.
    return isinstance(values, tuple) and len(values) <= _MOST_AXES and all(type(n) is int and n >= 0 for n in values)


def _ordered_dict(arguments: Arguments, source: str) -> dict[Any, Any]:
    if arguments:
        raise CheckpointError(f"{source}: makes an OrderedDict of {shown(arguments)}, not an empty one")
    return {}


def _tensor_v2(arguments: Arguments, source: str) -> Tensor:
    match arguments:
        case (Storage() as storage, offset, shape, strides, _, _, *metadata) if len(metadata) <= 1:
            return _tensor(Tensor(storage, storage.dtype, offset, shape, strides), metadata, source)
    raise CheckpointError(f"{source}: describes a tensor by {shown(arguments)}")


def _tensor_v3(arguments: Arguments, source: str) -> Tensor:
    match arguments:
        case (Storage() as storage, offset, shape, strides, _, _, Dtype(dtype=dtype), *metadata) if len(metadata) <= 1:
            return _tensor(Tensor(storage, dtype, offset, shape, strides), metadata, source)
    raise CheckpointError(f"{source}: describes a tensor by {shown(arguments)}")


def _tensor(tensor: Tensor, metadata: list[Any], source: str) -> Tensor:
    if any(metadata):
        raise CheckpointError(f"{source}: holds a tensor that is marked as negated or conjugated: {shown(metadata)}")
    shape, strides = tensor.shape, tensor.strides
    if not _are_counts((tensor.offset,)) or not _are_counts(shape) or not _are_counts(strides):
        view = (tensor.offset, shape, strides)
        raise CheckpointError(
            f"{source}: offset, size and strides of a tensor must be whole numbers, not {shown(view)}"
        )
    if len(shape) != len(strides):
        raise CheckpointError(f"{source}: a tensor has the size {shown(shape)}, but the strides {shown(strides)}")
    return tensor


def _parameter(arguments: Arguments, source: str) -> Tensor:
    match arguments:
        case (Tensor() as tensor, _, _) | (Tensor() as tensor, _, _, _):
            return tensor
    raise CheckpointError(f"{source}: describes a parameter by {shown(arguments)}")


SYMBOLS: dict[tuple[str, str], Callee | StorageType | Dtype] = {
    ("collections", "OrderedDict"): Callee(_ordered_dict),
    ("torch._utils", "_rebuild_tensor_v2"): Callee(_tensor_v2),
    ("torch._utils", "_rebuild_tensor_v3"): Callee(_tensor_v3),
    ("torch._utils", "_rebuild_parameter"): Callee(_parameter),
    ("torch._utils", "_rebuild_parameter_with_state"): Callee(_parameter),
    ("torch.storage", "UntypedStorage"): StorageType("U8"),
    **{("torch", storage): StorageType(dtype) for _, storage, dtype in _NUMBERS if storage},
    **{("torch.cuda", storage): StorageType(dtype) for _, storage, dtype in _NUMBERS if storage},
    **{("torch", name): Dtype(dtype) for name, _, dtype in _NUMBERS},
}
