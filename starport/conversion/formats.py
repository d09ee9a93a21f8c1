"""The formats that models are converted to: their files, their types of numbers, and who writes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from starchart.checkpoints.gguf.writer import FILE_TYPES as GGUF_TYPES
from starchart.checkpoints.gguf.writer import GGUFVocabulary, dtype_in_gguf, refuse_for_gguf, write_gguf
from starchart.checkpoints.llm_c.layout import VERSIONS as LLM_C_TYPES
from starchart.checkpoints.llm_c.writer import refuse_for_llm_c, write_llm_c
from starchart.checkpoints.npz.array_header import DESCRIPTIONS as NPZ_TYPES
from starchart.checkpoints.npz.writer import write_npz
from starchart.checkpoints.numbers.number_types import WRITTEN_TYPES
from starchart.checkpoints.safetensors.writer import write_safetensors
from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.errors import ConversionError
from starchart.model.config import GPT2Config

DTYPES = ("f32", "f16", "bf16")  # that --dtype offers; F64 is written only where the source has it

Tensors = Mapping[str, StoredTensor]
Write = Callable[[BinaryIO, GPT2Config, Tensors, str, GGUFVocabulary | None], None]


@dataclass(frozen=True)
class TargetFormat:
    """A format: `suffix` of a file of it, `file_name` in a folder, `dtypes` that it has.

    `refuse` raises CheckpointError for a model that it cannot hold; `dtype_of` is the type of a tensor, by its name, in
    a file of one of the dtypes. With `whole` the one file holds configuration and vocabulary too.
    """

    suffix: str
    file_name: str
    dtypes: tuple[str, ...]
    write: Write
    refuse: Callable[[GPT2Config, Tensors], None] = lambda _config, _tensors: None
    dtype_of: Callable[[str, StoredTensor, str], str] = lambda _name, _tensor, dtype: dtype
    whole: bool = False


def _write_gguf(
    file: BinaryIO, config: GPT2Config, tensors: Tensors, dtype: str, vocabulary: GGUFVocabulary | None
) -> None:
    assert vocabulary
    write_gguf(file, config, tensors, dtype, vocabulary)


FORMATS = {
    "safetensors": TargetFormat(
        ".safetensors",
        "model.safetensors",
        tuple(WRITTEN_TYPES),
        lambda file, config, tensors, dtype, _: write_safetensors(file, config, tensors, dtype),
    ),
    "gguf": TargetFormat(
        ".gguf",
        "model.gguf",
        tuple(GGUF_TYPES),
        _write_gguf,
        lambda config, _: refuse_for_gguf(config),
        dtype_in_gguf,
        whole=True,
    ),
    "llm.c": TargetFormat(
        ".bin",
        "model.bin",
        tuple(LLM_C_TYPES),
        lambda file, config, tensors, dtype, _: write_llm_c(file, config, tensors, dtype),
        refuse_for_llm_c,
    ),
    "npz": TargetFormat(
        ".npz",
        "model.npz",
        tuple(NPZ_TYPES),
        lambda file, config, tensors, dtype, _: write_npz(file, config, tensors, dtype),
    ),
}


def choose_dtype(target: TargetFormat, tensors: Tensors, asked: str | None) -> tuple[str, str]:
    """Return the type to write, and why it is not the source's own, if it is not and nobody asked for it.

    Raises ConversionError if the format does not have the type that was `asked` for.
    """
    if asked:
        if asked.upper() not in target.dtypes:
            known = " and ".join(dtype for dtype in DTYPES if dtype.upper() in target.dtypes)
            raise ConversionError(f"--dtype {asked}: this format has {known}")
        return asked.upper(), ""
    # Where a format has F32 for some tensors whatever the rest are, theirs does not count.
    own = {tensor.dtype for name, tensor in tensors.items() if target.dtype_of(name, tensor, "asked") == "asked"}
    if len(own) == 1 and own <= set(target.dtypes):
        return own.pop(), ""
    return "F32", f" ({' and '.join(sorted(own))} in the source)"
