"""Converts a model: reads it in one format and writes it in another, one tensor after another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any

from starchart.checkpoints.checkpoint import open_tensors
from starchart.checkpoints.formats import WRITERS, Writer
from starchart.checkpoints.numbers.number_types import bytes_of
from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.errors import ConversionError
from starchart.model.config import GPT2Config
from starchart.tokenizer.tokenizer import Tokenizer, check_vocabulary
from starchart.tokenizer.vocabulary import Vocabulary
from starport.conversion.config_files import CONFIG_FILES, write_config_files
from starport.conversion.destination import Destination
from starport.conversion.vocabulary import WRITTEN, gguf_vocabulary, source_vocabulary, write_vocabulary

Progress = Callable[[int, int], None]  # bytes written, bytes in all
DTYPES = ("f32", "f16", "bf16")  # the choices of --dtype; F64 is written only if the source has it
_TORCH_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_AT_ONCE = 1 << 20  # bytes


@dataclass(frozen=True)
class Conversion:
    """A checked conversion of a model, ready to run. `notes` are lines for the user."""

    target: Writer
    config: GPT2Config
    tensors: Mapping[str, StoredTensor]
    dtype: str
    vocabulary: Vocabulary | None
    destination: Destination
    notes: list[str]

    @classmethod
    def prepared(
        cls, source: Path, destination: str, format_name: str, dtype: str | None, overwrite: bool
    ) -> "Conversion":
        """Return a validated conversion. Raises StarchartError if the model cannot be converted so."""
        target = WRITERS[format_name]
        config, tensors = open_tensors(source)
        target.refuse(config, tensors)
        chosen, why = choose_dtype(target, tensors, dtype)
        config = replace(config, tie_word_embeddings="lm_head.weight" not in tensors)
        vocabulary = source_vocabulary(source)
        if vocabulary:
            check_vocabulary(Tokenizer(vocabulary), config.vocab_size)
        elif target.holds_vocabulary:
            raise ConversionError(
                f"{source}: has no vocabulary, and a file of this format holds one; put its vocab.json and merges.txt"
                " beside the weights, or choose another format"
            )
        names = [] if target.holds_vocabulary else [*CONFIG_FILES, *(WRITTEN if vocabulary else [])]
        place = Destination.named(destination, target, names)
        folder = source if source.is_dir() else source.parent
        place.check([tensor.path for tensor in tensors.values()] + [folder / name for name in names], overwrite)
        notes = [] if vocabulary else ["the model has no vocabulary, and none is written"]
        if why:
            notes.append(f"written as {chosen}{why}")
        ends = config.eos_token_ids
        if target.holds_vocabulary and len(ends) != 1:
            notes.append(f"this format has one token that ends a text, this model {len(ends)}")
        return cls(target, config, tensors, chosen, vocabulary, place, notes)

    @property
    def size(self) -> int:
        """The approximate size of the file of the weights, in bytes."""
        dtype_of = self.target.dtype_of
        sizes = [bytes_of(tensor.count, dtype_of(name, tensor, self.dtype)) for name, tensor in self.tensors.items()]
        return sum(sizes)

    def run(self, progress: Progress) -> None:
        """Write all files. Raises ConversionError, or CheckpointError for weights that cannot be written."""
        self.destination.place(lambda folder: self._write(folder, progress), self.size)

    def _write(self, folder: Path, progress: Progress) -> None:
        inside = []
        if self.target.holds_vocabulary:
            assert self.vocabulary
            inside = [gguf_vocabulary(self.vocabulary, self.config)]
        else:
            write_config_files(folder, self.config, _TORCH_NAMES[self.dtype])
            if self.vocabulary:
                write_vocabulary(folder, self.vocabulary)
        with _CountingFile(folder / self.destination.weights.name, self.size, progress) as file:
            self.target.write(file, self.config, self.tensors, self.dtype, *inside)


def choose_dtype(target: Writer, tensors: Mapping[str, StoredTensor], asked: str | None) -> tuple[str, str]:
    """Return the type to write, and a remark for the user if it is neither the `asked` type nor that of the source.

    Raises ConversionError if the format does not have the type that was `asked` for.
    """
    if asked:
        if asked.upper() not in target.dtypes:
            known = " and ".join(dtype for dtype in DTYPES if dtype.upper() in target.dtypes)
            raise ConversionError(f"--dtype {asked}: this format has {known}")
        return asked.upper(), ""
    # Tensors that are F32 in every file of the format do not count.
    own = {tensor.dtype for name, tensor in tensors.items() if target.dtype_of(name, tensor, "asked") == "asked"}
    if len(own) == 1 and own <= set(target.dtypes):
        return own.pop(), ""
    return "F32", f" ({' and '.join(sorted(own))} in the source)"


class _CountingFile(BufferedWriter):
    """A file that reports how much of it is written."""

    def __init__(self, path: Path, size: int, progress: Progress) -> None:
        super().__init__(FileIO(path, "w"), _AT_ONCE)
        self._done, self._size, self._progress = 0, size, progress

    def write(self, data: Any) -> int:
        """Write bytes and report the progress."""
        self._done += len(data)
        self._progress(self._done, self._size)
        return super().write(data)
