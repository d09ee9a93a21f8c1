"""The record of a training: a progress line for the user, and losses.csv for the plot."""

import csv
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from starchart.errors import TrainingError
from starchart.files.regular_file import read_regular_file
from starport.terminal.console import tell
from starport.training.settings import TrainingSettings

COLUMNS = ("step", "tokens", "learning_rate", "loss", "validation_bits_per_byte")


class Record:
    """Records the results of each step. The progress line is shown on terminals only; validations are always printed.

    Raises TrainingError if the file cannot be written.
    """

    def __init__(self, file: Path, settings: TrainingSettings, done: int) -> None:
        """Start a record, or continue it after `done` steps; rows of later steps, of a killed run, are removed."""
        self._path = file
        self._tokens, self._steps = settings.tokens_per_step, settings.steps
        rows = [row for row in read_rows(file) if int(row[0]) <= done] if done else []
        aside = file.with_name(f".{file.name}.part")
        try:
            with aside.open("w", encoding="utf-8", newline="") as kept:
                csv.writer(kept, lineterminator="\n").writerows([COLUMNS, *rows])
            aside.replace(file)
            self._file = file.open(
                "a", encoding="utf-8", newline="", buffering=1
            )  # line-buffered: a killed run keeps its rows
        except OSError as error:
            with suppress(OSError):
                aside.unlink()
            raise self._unwritable(error) from None
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._line = tqdm(
            total=settings.steps * self._tokens, initial=done * self._tokens, unit="tok", unit_scale=True, disable=None
        )

    def add(self, step: int, loss: float, rate: float, bits: float | None) -> None:
        """Add a step: the loss before it in nats per token, its learning rate, the bits per byte of a validation."""
        row = (step, step * self._tokens, f"{rate:.6g}", f"{loss:.6f}", "" if bits is None else f"{bits:.6f}")
        try:
            self._rows.writerow(row)
        except OSError as error:
            raise self._unwritable(error) from None
        self._line.update(self._tokens)
        self._line.set_postfix(step=step, loss=f"{loss:.3f}", refresh=False)
        if bits is not None or step == self._steps:
            self._line.clear()
            validated = "" if bits is None else f", validation {bits:.4f} bits per byte"
            tell(f"step {step}: loss {loss:.4f} nats per token{validated}")

    def __enter__(self) -> "Record":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the progress line and the file."""
        self._line.close()
        with suppress(OSError):  # a failure to write was reported when the row was added
            self._file.close()

    def _unwritable(self, error: OSError) -> TrainingError:
        return TrainingError(
            f"{self._path}: cannot be written: {error.strerror}; make room, then continue with --resume"
        )


def read_rows(file: Path) -> list[Sequence[str]]:
    """Return the complete rows of losses.csv, without the header."""
    try:
        lines = read_regular_file(file).decode("utf-8", errors="replace").splitlines()[1:]
    except OSError:
        return []
    return [row for row in csv.reader(lines) if _is_whole(row)]


def _is_whole(row: Sequence[str]) -> bool:
    try:
        return len(row) == len(COLUMNS) and all(float(value) >= 0 for value in row[:4]) and row[0].isdecimal()
    except ValueError:
        return False
