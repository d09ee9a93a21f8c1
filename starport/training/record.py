"""The record of a training: a line for the person who waits, losses.csv for the picture."""

import csv
from pathlib import Path

from tqdm import tqdm

from starchart.errors import TrainingError
from starport.console import tell
from starport.training.settings import TrainingSettings

_COLUMNS = ("step", "tokens", "learning_rate", "loss", "validation_bits_per_byte")


class Record:
    """What every step came to. The progress line is for terminals; validations are told anywhere."""

    def __init__(self, file: Path, settings: TrainingSettings, done: int) -> None:
        """Begin a record, or, where `done` steps are, go on with it; later rows of a killed run are forgotten."""
        kept = file.read_text(encoding="utf-8").splitlines()[1:] if done and file.is_file() else []
        rows = [row for row in csv.reader(kept) if row[0].isdecimal() and int(row[0]) <= done]
        self._file = file.open("w", encoding="utf-8", newline="", buffering=1)  # a killed run leaves its rows
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerows([_COLUMNS, *rows])
        self._tokens = settings.tokens_per_step
        self._line = tqdm(
            total=settings.steps * self._tokens, initial=done * self._tokens, unit="tok", unit_scale=True, disable=None
        )

    def add(self, step: int, loss: float, rate: float, bits: float | None) -> None:
        """Add a step: the loss before it in nats a token, its learning rate, and the validation's bits a byte."""
        row = (step, step * self._tokens, f"{rate:.6g}", f"{loss:.6f}", "" if bits is None else f"{bits:.6f}")
        try:
            self._rows.writerow(row)
        except OSError as error:
            raise TrainingError(
                f"{self._file.name}: cannot be written: {error.strerror}; go on with --resume"
            ) from None
        self._line.update(self._tokens)
        self._line.set_postfix(step=step, loss=f"{loss:.3f}", refresh=False)
        if bits is not None:
            self._line.clear()
            tell(f"step {step}: loss {loss:.4f} nats a token, validation {bits:.4f} bits a byte")

    def close(self) -> None:
        """End the line and the file."""
        self._line.close()
        self._file.close()
