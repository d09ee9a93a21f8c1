"""Where a converted model goes: a folder, or a file and the files beside it. They appear only when all are complete."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starchart.checkpoints.formats import WRITERS, Writer
from starchart.checkpoints.model_files import weights_in
from starchart.errors import ConversionError

_ROOM = 10 << 20  # bytes on the disk, for the files beside the weights


@dataclass(frozen=True)
class Destination:
    """`weights` is the path of the weights file; `beside` are the names of the other files in its folder."""

    weights: Path
    beside: tuple[str, ...]
    as_folder: bool  # the user named the folder, not the file

    @classmethod
    def named(cls, name: str, target: Writer, beside: Sequence[str]) -> "Destination":
        """Return the destination for DEST: a file if its name has the suffix of the format, else a folder.

        Raises ConversionError for a name with the suffix of another format.
        """
        if not name:
            raise ConversionError("DEST is empty; give a folder or a file to write to")
        path = Path(name)
        ending = path.suffix.lower()
        if ending == target.suffix and not path.is_dir():
            return cls(path, tuple(beside), as_folder=False)
        other = next((kind for kind, known in WRITERS.items() if ending == known.suffix), "")
        if other and not path.is_dir():
            raise ConversionError(
                f"{path}: has the suffix of {other}; end it in {target.suffix}, or choose --format {other}"
            )
        return cls(path / target.file_name, tuple(beside), as_folder=True)

    @property
    def folder(self) -> Path:
        """The folder of all files."""
        return self.weights.parent

    def check(self, sources: Sequence[Path], overwrite: bool) -> None:
        """Raise ConversionError if a file is there that must be kept, or that would be read instead of the new one."""
        for path in (self.weights, *(self.folder / name for name in self.beside)):
            if any(_is_same(path, source) for source in sources):
                raise ConversionError(f"{path}: is a file of the source model; choose another folder")
            if path.exists() and not overwrite:
                raise ConversionError(f"{path}: exists already; choose another place, or add --overwrite")
            if path.is_dir():
                raise ConversionError(f"{path}: is a folder; choose another place")
        if self.as_folder and self.folder.is_dir():
            found = weights_in(self.folder)
            if found and found != self.weights:
                raise ConversionError(f"{self.folder}: contains other weights, {found.name}; choose another folder")

    def place(self, write: Callable[[Path], None], size: int) -> None:
        """Let `write` fill a temporary folder, then move its files to their places, the weights last.

        `size` is the number of bytes of the weights. Raises ConversionError if the system cannot write.
        """
        try:
            with folder_aside(self.folder, self.weights.name) as aside:
                refuse_too_little_room(aside, size, self.weights)
                write(aside)
                self.folder.mkdir(parents=True, exist_ok=True)
                for name in (*self.beside, self.weights.name):
                    (aside / name).replace(self.folder / name)
        except OSError as error:
            fault = error.strerror or str(error)
            raise ConversionError(f"{self.weights}: cannot be written: {fault}; choose another place") from None


def _is_same(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and os.path.samefile(path, other)


def refuse_too_little_room(folder: Path, size: int, what: Path) -> None:
    """Raise ConversionError where the disk of `folder` has no room for `what`, of `size` bytes."""
    free = shutil.disk_usage(folder).free
    if free < size + _ROOM:
        raise ConversionError(
            f"{what}: needs {size / 1e9:.2f} GB and {free / 1e9:.2f} GB are free on that disk;"
            " make room, or choose another place"
        )


@contextmanager
def folder_aside(folder: Path, name: str) -> Iterator[Path]:
    """Yield a new temporary folder on the disk of `folder`, which may not exist yet. It is removed at the end."""
    ancestor = next(path for path in (folder, *folder.parents) if path.exists())
    aside = ancestor / f".{name}.{os.getpid()}.part"
    shutil.rmtree(aside, ignore_errors=True)  # left by a killed process with the same process id
    aside.mkdir()
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)
