"""The training loop, with checkpoints and a record."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from starchart.errors import ScoringError, TrainingError
from starport.training.model_files import write_model
from starport.training.optimizers import make_optimizers, optimizer_tensors, restore_optimizers, set_learning_rate
from starport.training.options import Schedule
from starport.training.output_folder import OutputFolder
from starport.training.processes import Processes
from starport.training.record import Record
from starport.training.run_description import refuse_other_run
from starport.training.settings import TrainingSettings, learning_rate_share
from starport.training.token_windows import TokenWindows
from starport.training.trained_model import TrainedModel
from starport.training.training_state import TrainingState, damaged, read_state, read_weights, write_state


class Trainer:
    """A model, its windows of text and its optimizers. `run` is the description of the run, for checkpoints.

    Raises TrainingError if the batch size is not a multiple of the number of processes.
    """

    def __init__(
        self,
        model: TrainedModel,
        windows: TokenWindows,
        settings: TrainingSettings,
        processes: Processes,
        folder: OutputFolder,
        run: Mapping[str, Any],
    ) -> None:
        if settings.batch_size % processes.count:
            raise TrainingError(
                f"--batch-size {settings.batch_size} does not divide into {processes.count} processes: choose a"
                " multiple of their number"
            )
        self.model, self.windows, self.settings, self.processes = model, windows, settings, processes
        self._folder, self._run = folder, run
        self._wrapped = processes.wrapped(model)
        self._optimizers = make_optimizers(model.named, settings)
        self.step = 0  # steps done

    @torch.no_grad()
    def resume(self, checkpoint: Path) -> None:
        """Load a checkpoint. Raises TrainingError if it belongs to another training, or is damaged."""
        state = read_state(checkpoint)
        refuse_other_run(state.run, self._run, checkpoint)
        for name, value in read_weights(checkpoint, self.model.named).items():
            self.model.named[name].copy_(value)
        if not restore_optimizers(self._optimizers, self.model.named, state.optimizers):
            raise damaged(checkpoint, "the state of the optimizer belongs to another model")
        self.step = state.step

    def train(
        self, schedule: Schedule, record: Record | None, validate: Callable[[TrainedModel], float] | None
    ) -> None:
        """Train from the current step to the last. Raises TrainingError if the loss becomes NaN or infinite."""
        steps = self.settings.steps
        while self.step < steps:
            rate = self.settings.learning_rate * learning_rate_share(self.step, self.settings)
            loss = self._one_step(rate)
            self.step += 1
            saves = self.step % schedule.save_every == 0 or self.step == steps
            if saves:
                self._refuse_ruined_weights()
            bits = None
            if validate and (self.step % schedule.validate_every == 0 or self.step == steps):
                bits = self._validated(validate)
            if record:
                record.add(self.step, loss, rate, bits)
            if saves:
                self._save(schedule.keep)

    def _one_step(self, rate: float) -> float:
        """Do one optimizer step. Return the loss before it, in nats per token."""
        accumulate = self.settings.accumulate
        set_learning_rate(self._optimizers, rate)
        torch.manual_seed(self._seed_of_step())
        total = torch.zeros((), device=self.processes.device)
        for part in range(accumulate):
            is_last = part == accumulate - 1
            with nullcontext() if is_last else self.processes.no_sync(self._wrapped):
                loss = self._loss(part) / accumulate
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        mean = self.processes.mean(total)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip or float("inf")).item()
        if not (isfinite(mean) and isfinite(norm)):
            raise self._lost(f"the loss is {mean} and the norm of its gradient {norm}")
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return mean

    def _loss(self, part: int) -> Tensor:  # -> []
        """Return the loss of this process's share of batch number `part` of the step."""
        settings, processes = self.settings, self.processes
        share = settings.batch_size // processes.count
        first = (self.step * settings.accumulate + part) * settings.batch_size + processes.rank * share
        inputs, targets = (side.to(processes.device) for side in self.windows.batch(first, share))
        with processes.autocast():
            loss: Tensor = self._wrapped(inputs, targets)
        return loss

    def _seed_of_step(self) -> int:
        """Return the seed of dropout: different for each step and process, equal in a resumed run."""
        processes = self.processes
        return ((self.settings.seed * 1_000_003 + self.step) * processes.count + processes.rank) % (1 << 63)

    @torch.no_grad()
    def _refuse_ruined_weights(self) -> None:
        """Raise TrainingError if the loss of the next step is not finite, before its weights are saved."""
        loss = self.processes.mean(self._loss(0))
        if not isfinite(loss):
            raise self._lost(f"the loss is {loss}")

    def _validated(self, validate: Callable[[TrainedModel], float]) -> float:
        try:
            return validate(self.model)
        except ScoringError as error:
            raise self._lost(str(error)) from None

    def _lost(self, fault: str) -> TrainingError:
        last = self._folder.newest_checkpoint()
        kept = f"the last good checkpoint is {last}" if last else "there is no checkpoint yet"
        return TrainingError(
            f"step {self.step + 1}: {fault}; {kept}; try a smaller --learning-rate or more --warmup-steps"
        )

    def _save(self, keep: int) -> None:
        if self.processes.is_first:
            state = TrainingState(self.step, self._run, optimizer_tensors(self._optimizers, self.model.named))
            self._folder.write_checkpoint(self.step, lambda aside: self._write(aside, state), keep)
        self.processes.wait()

    def _write(self, folder: Path, state: TrainingState) -> None:
        write_model(folder, self.model.config, self.model.named, self._folder.vocabulary, "float32")
        write_state(folder, state)
