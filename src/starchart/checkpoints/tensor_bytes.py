"""Tensors on their way into a file: read, put into the order that the file has, and encoded, some numbers at a time.

Files keep the matrix of a linear layer as [in][out] (safetensors, NumPy) or as [out][in] (GGUF, llm.c). Where source
and destination agree, a tensor goes through in parts; where they do not, the whole matrix is in memory, as floats.
"""

from array import array
from collections.abc import Iterator

from starchart.checkpoints.numbers.number_types import encode_numbers
from starchart.checkpoints.stored_tensor import StoredTensor, read_parts
from starchart.errors import CheckpointError

_WIDER = {"F16": "BF16 and F32 hold", "BF16": "F32 holds", "F32": "F64 holds"}


def tensor_bytes(tensor: StoredTensor, dtype: str, transposed: bool = False) -> Iterator[bytes]:
    """Yield the numbers of a tensor as `dtype`, row by row; with `transposed`, which takes a matrix, column by column.

    Raises CheckpointError for numbers that are not finite, or too large for `dtype`.
    """
    for numbers in _numbers(tensor, transposed):
        try:
            raw = encode_numbers(numbers, dtype)
        except OverflowError:
            largest = max(numbers, key=abs)
            raise CheckpointError(
                f"{tensor}: holds {largest}, which is too large for {dtype}; {_WIDER[dtype]} larger numbers"
            ) from None
        yield raw


def _numbers(tensor: StoredTensor, transposed: bool) -> Iterator["array[float]"]:
    if tensor.transposed == transposed:
        yield from read_parts(tensor)
        return
    numbers: array[float] = array("d" if tensor.dtype == "F64" else "f")
    for part in read_parts(tensor):
        numbers += part
    length = tensor.shape[0] if tensor.transposed else tensor.shape[1]  # of a line of the file
    for place in range(length):
        yield numbers[place::length]
