"""What must not have changed for a training to go on as if it had never stopped."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from starchart.errors import TrainingError
from starport.training.trained_model import TrainedModel


def refuse_other_run(before: Mapping[str, Any], now: Mapping[str, Any], checkpoint: Path) -> None:
    """Raise TrainingError, which names the first difference, unless the run that is resumed is this one."""
    for name in dict.fromkeys([*before, *now]):
        if before.get(name) != now.get(name):
            raise TrainingError(
                f"{checkpoint}: {name} was {before.get(name)} and is {now.get(name)} now; resume with the options and"
                " texts that the run began with, or train on from it with --from"
            )


@torch.no_grad()
def load_weights(model: TrainedModel, checkpoint: Path) -> None:
    """Give the model the weights of a checkpoint, in float32. Raises TrainingError if they are not all there."""
    try:
        tensors = load_file(checkpoint / "model.safetensors")
        for name, parameter in model.named.items():
            parameter.copy_(tensors[name if name.startswith("lm_head.") else f"transformer.{name}"])
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise TrainingError(f"{checkpoint}: cannot be resumed: {error}; remove it to resume an earlier one") from None
