"""The folder that a training writes to. Files of other programs in it are never changed.

config.json, model.safetensors, vocab.json, ...     the model, at the end of the training
losses.csv, losses.svg                              the record and its plot
checkpoints/vocabulary, checkpoints/step-000500     what --resume needs
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from starchart.errors import TrainingError
from starport.training.model_files import MODEL_FILES

_CHECKPOINT = re.compile(r"step-(\d+)")
_ASIDE = re.compile(r"\.(step-\d+|model)\.\d+\.part")


@dataclass(frozen=True)
class OutputFolder:
    """The folder of a training. `checkpoint` is the checkpoint to resume, if any."""

    path: Path
    checkpoint: Path | None = None

    @classmethod
    def for_training(cls, name: str, resume: bool) -> "OutputFolder":
        """Return the folder called `name`.

        Raises TrainingError if there is no checkpoint to resume, or if files would be overwritten.
        """
        if not name:
            raise TrainingError("--out is empty; give the folder to write to")
        folder = cls(Path(name))
        checkpoint = folder.newest_checkpoint()
        if resume and checkpoint is None:
            raise TrainingError(f"{name}: there is no checkpoint to resume; leave out --resume")
        if checkpoint and not resume:
            raise TrainingError(
                f"{name}: contains a training already; continue it with --resume, or choose another folder"
            )
        begun = folder.vocabulary.is_dir()  # a training was stopped here before its first checkpoint
        own = MODEL_FILES if begun else (*MODEL_FILES, folder.losses.name, folder.picture.name)
        if not resume and (there := [file for file in own if (folder.path / file).exists()]):
            raise TrainingError(f"{name}: contains {there[0]} already; choose another folder")
        return cls(folder.path, checkpoint)

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def vocabulary(self) -> Path:
        """The folder of the vocabulary of this training."""
        return self.checkpoints / "vocabulary"

    @property
    def losses(self) -> Path:
        """The record, with a row per step."""
        return self.path / "losses.csv"

    @property
    def picture(self) -> Path:
        """The plot of the record."""
        return self.path / "losses.svg"

    @contextmanager
    def as_before_on_failure(self) -> Iterator[None]:
        """Remove new files and folders if the `with` block fails before the first checkpoint. Older ones stay."""
        files, folders = (self.losses, self.picture), (self.checkpoints, self.path, *self.path.parents)
        made = [path for path in (*files, self.vocabulary, *folders) if not path.exists()]
        try:
            yield
        except BaseException:
            if not self.newest_checkpoint():
                for path in made:
                    _remove(path, whole=path == self.vocabulary)
            raise

    def newest_checkpoint(self) -> Path | None:
        """Return the checkpoint with the most steps, or None."""
        return max(self._steps(), default=(0, None))[1]

    def write_checkpoint(self, step: int, write: Callable[[Path], None], keep: int) -> None:
        """Let `write` fill the folder of a checkpoint, and remove all but the `keep` newest.

        The folder gets its name only when it is complete. Raises TrainingError if files cannot be written.
        """
        target = self.checkpoints / f"step-{step:06d}"
        with _aside(target) as aside:
            write(aside)
            aside.rename(target)
        leftovers = [path for path in self.checkpoints.iterdir() if _ASIDE.fullmatch(path.name)]
        for old in [*(path for _, path in sorted(self._steps())[:-keep]), *leftovers]:
            shutil.rmtree(old, ignore_errors=True)

    def place(self, write: Callable[[Path], None]) -> None:
        """Let `write` make files, and move them into this folder when all are complete, the weights last."""
        with _aside(self.checkpoints / "model") as aside:
            write(aside)
            for file in sorted(aside.iterdir(), key=lambda file: file.suffix == ".safetensors"):
                file.replace(self.path / file.name)

    def _steps(self) -> Iterator[tuple[int, Path]]:
        for path in self.checkpoints.iterdir() if self.checkpoints.is_dir() else ():
            if match := _CHECKPOINT.fullmatch(path.name):
                yield int(match[1]), path


def _remove(path: Path, whole: bool) -> None:
    """Remove a file or an empty folder; with `whole` a folder and its files. Other folders stay."""
    with suppress(OSError):
        if whole:
            shutil.rmtree(path)
        elif path.is_dir():
            path.rmdir()
        else:
            path.unlink()


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`, removed at the end. An OSError becomes a TrainingError."""
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(aside, ignore_errors=True)  # left by a killed process with the same id
    try:
        aside.mkdir(parents=True)
        yield aside
    except OSError as error:
        raise TrainingError(f"{target}: cannot be written: {error}; earlier checkpoints are complete") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
