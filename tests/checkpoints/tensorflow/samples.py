"""Valid indexes for the fuzzer, with TensorFlow's own data files beside them."""

import shutil
from pathlib import Path

from starchart.checkpoints.tensorflow.reader import open_tensorflow
from starchart.errors import CheckpointError
from tests.checkpoints.read_tensors import read_tensors
from tests.checkpoints.tensorflow.table_file import entry, header, resealed, table

FIXTURES = Path(__file__).parent / "fixtures"
INDEX = "model.ckpt.index"


def samples() -> list[bytes]:
    """Return two indexes that TensorFlow wrote, and a short one that is made by hand."""
    rest = (FIXTURES / "openai" / "model.ckpt.data-00000-of-00001").stat().st_size - 24
    short = [(b"", header()), (b"model/wpe", entry([3, 2], 0, 24)), (b"model/wte", entry([rest // 8, 2], 24, rest))]
    return [*((FIXTURES / name / INDEX).read_bytes() for name in ("openai", "training")), table(short)]


def open_and_read(path: Path) -> None:
    """Open an index and read all tensors.

    Damage makes the checksums of the blocks wrong, and then the reader stops. So a file that is refused is read again
    with correct checksums.
    """
    lay_data(path.parent)
    try:
        read_tensors(open_tensorflow(path))
    except CheckpointError:
        path.write_bytes(resealed(path.read_bytes()))
        read_tensors(open_tensorflow(path))


def lay_data(folder: Path) -> None:
    """Put TensorFlow's data files into `folder`, under the names that go with `INDEX`."""
    for source in FIXTURES.glob("*/*.data-*"):
        if source.parent.name != "sliced":
            shutil.copyfile(source, folder / source.name)
