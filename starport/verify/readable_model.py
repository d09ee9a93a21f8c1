"""The model in files that the other libraries can read.

They read the weights with the safetensors library, and config.json and the vocabulary with json, so they share no code
with our readers. A model in another format is first written to such a folder, without changing any number.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from starchart.checkpoints.checkpoint import open_tensors
from starchart.checkpoints.stored_tensor import StoredTensor
from starport.conversion.convert import Conversion
from starport.terminal.console import ProgressLine
from starport.terminal.signals import cleaning_up_when_terminated

WRITTEN = ", checked as it is written to safetensors"
_PREFIX = "transformer."
_OF_NUMPY = ("F64", "F32", "F16")  # NumPy has no bfloat16


@contextmanager
def readable_model(model: Path, with_vocabulary: bool = True) -> Iterator[tuple[Path, str]]:
    """Yield a folder that the peers can read, and a note for the title: "" for the model's own folder, else WRITTEN.

    The vocabulary is needed only `with_vocabulary`. A folder that was written is removed at the end. Raises
    StarchartError for a model that cannot be written.
    """
    tensors = open_tensors(model)[1]
    folder = model if model.is_dir() else model.parent
    if _is_readable(folder, tensors, with_vocabulary):
        yield folder, ""
        return
    with tempfile.TemporaryDirectory() as temporary, cleaning_up_when_terminated():
        written = Path(temporary) / model.resolve().name  # published facts are found by this name
        written.mkdir()
        conversion = Conversion.prepared(model, str(written), "safetensors", _exact(tensors), overwrite=False)
        progress = ProgressLine(f"writing {model.name} to safetensors")
        try:
            conversion.run(lambda done, total: progress("writing:", done, total))
        finally:
            progress.end()
        yield written, WRITTEN


def _is_readable(folder: Path, tensors: Mapping[str, StoredTensor], with_vocabulary: bool) -> bool:
    """Return whether the peers would find exactly these tensors in the folder, and the other files they need."""
    plain = all(
        tensor.name.removeprefix(_PREFIX) == name and not tensor.transposed and tensor.dtype in _OF_NUMPY
        for name, tensor in tensors.items()
    )
    vocabulary = not with_vocabulary or all((folder / name).is_file() for name in ("vocab.json", "merges.txt"))
    return (
        plain
        and {tensor.path.name for tensor in tensors.values()}
        == {file.name for file in folder.glob("model*.safetensors")}
        and (folder / "config.json").is_file()
        and (vocabulary or (folder / "tokenizer.json").is_file())
    )


def _exact(tensors: Mapping[str, StoredTensor]) -> str:
    """Return a dtype that the peers can read and that represents every number of these tensors exactly."""
    own = {tensor.dtype for tensor in tensors.values()}
    return "f64" if "F64" in own else "f16" if own == {"F16"} else "f32"
