"""The training itself: step after step until the end, with checkpoints and a record on the way."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from starchart.errors import TrainingError
from starport.training.model_files import write_model
from starport.training.optimizers import make_optimizers, optimizer_tensors, restore_optimizers, set_learning_rate
from starport.training.processes import Processes
from starport.training.record import Record
from starport.training.resuming import load_weights, refuse_other_run
from starport.training.settings import TrainingSettings, learning_rate_share
from starport.training.token_windows import TokenWindows
from starport.training.trained_model import TrainedModel
from starport.training.training_checkpoint import (
    TrainingState,
    forget_old_checkpoints,
    newest_checkpoint,
    read_state,
    write_state,
    written_aside,
)


@dataclass(frozen=True)
class Schedule:
    """When to save and to validate, in steps, and how many checkpoints to keep."""

    save_every: int
    validate_every: int
    keep: int


class Trainer:
    """A model, what it reads, and its optimizers. `run` describes all that decides the result, for a resumption."""

    def __init__(
        self,
        model: TrainedModel,
        windows: TokenWindows,
        settings: TrainingSettings,
        processes: Processes,
        bfloat16: bool,
        checkpoints: Path,
        run: dict[str, Any],
    ) -> None:
        if settings.batch_size % processes.count:
            raise TrainingError(
                f"--batch-size {settings.batch_size} does not divide into {processes.count} processes: choose a"
                " multiple of their number"
            )
        self._model, self._windows, self._settings, self._processes = model, windows, settings, processes
        self._checkpoints, self._run, self._bfloat16 = checkpoints, run, bfloat16
        self._shared = processes.shared(model)
        self._optimizers = make_optimizers(model.named, settings)
        self.step = 0  # steps done

    def resume(self, folder: Path) -> None:
        """Go back to a checkpoint. Raises TrainingError if it is of another training, or damaged."""
        state = read_state(folder)
        refuse_other_run(state.run, self._run, folder)
        load_weights(self._model, folder)
        restore_optimizers(self._optimizers, self._model.named, state.optimizers)
        self.step = state.step

    def train(
        self, schedule: Schedule, record: Record | None, validate: Callable[[TrainedModel], float] | None
    ) -> None:
        """Train from where it stands to the last step. Raises TrainingError where the loss is no number any more."""
        steps = self._settings.steps
        while self.step < steps:
            rate = self._settings.learning_rate * learning_rate_share(self.step, self._settings)
            loss = self._one_step(rate)
            self.step += 1
            bits = None
            if validate and (self.step % schedule.validate_every == 0 or self.step == steps):
                bits = validate(self._model) if self._processes.is_first else None
            if record:
                record.add(self.step, loss, rate, bits)
            if self.step % schedule.save_every == 0 or self.step == steps:
                self._save(schedule.keep)

    def _one_step(self, rate: float) -> float:
        """Change the weights once. Return the loss before, in nats a token."""
        settings, share = self._settings, self._settings.batch_size // self._processes.count
        set_learning_rate(self._optimizers, rate)
        torch.manual_seed(self._seed_of_step())
        total = torch.zeros((), device=self._processes.device)
        for part in range(settings.accumulate):
            first = (self.step * settings.accumulate + part) * settings.batch_size + self._processes.rank * share
            inputs, targets = (side.to(self._processes.device) for side in self._windows.batch(first, share))
            with self._gradients_kept(part):
                loss = self._loss(inputs, targets) / settings.accumulate
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        mean = self._processes.mean(total)
        norm = torch.nn.utils.clip_grad_norm_(self._model.parameters(), settings.clip or float("inf"))
        if not (isfinite(mean) and isfinite(norm)):
            raise TrainingError(self._lost(mean, norm))
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return mean

    def _seed_of_step(self) -> int:
        """Return what dropout draws from: another number for every step and process, the same in a resumed run."""
        processes = self._processes
        return ((self._settings.seed * 1_000_003 + self.step) * processes.count + processes.rank) % (1 << 63)

    def _gradients_kept(self, part: int) -> AbstractContextManager[None]:
        """Return what keeps the gradients in this process: they are exchanged after the last batch of a step."""
        is_last = part == self._settings.accumulate - 1
        return nullcontext() if is_last else self._processes.gradients_kept(self._shared)

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast(self._processes.device.type, torch.bfloat16, enabled=self._bfloat16):
            loss: Tensor = self._shared(inputs, targets)
        return loss

    def _lost(self, loss: float, norm: Tensor) -> str:
        last = newest_checkpoint(self._checkpoints)
        kept = f"the last good checkpoint is {last}" if last else "there is no checkpoint yet"
        return (
            f"step {self.step + 1}: the loss is {loss} and the norm of its gradient {norm.item()}; {kept}; try a"
            " smaller --learning-rate or more --warmup-steps"
        )

    def _save(self, keep: int) -> None:
        if self._processes.is_first:
            named = self._model.named
            state = TrainingState(self.step, self._run, optimizer_tensors(self._optimizers, named))
            with written_aside(self._checkpoints / f"step-{self.step:06d}") as aside:
                write_model(aside, self._model.config, named, self._checkpoints / "vocabulary", "float32")
                write_state(aside, state)
            forget_old_checkpoints(self._checkpoints, keep)
        self._processes.wait()
