"""Everything that decides the next step of a training. A resumed run must have the same."""

from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor

from starchart.errors import TrainingError
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starport.engines.tensors import named_leaves
from starport.training.processes import Processes
from starport.training.settings import TrainingSettings

_HASHED = ("texts", "first weights")  # stored as hashes; too long for a message


def describe_run(
    config: GPT2Config, settings: TrainingSettings, processes: Processes, row: Tensor, weights: GPTModelWeights
) -> dict[str, Any]:
    """Return all that decides what the next step computes, as JSON values. `weights` are the initial weights."""
    shape = {name: getattr(config, name) for name in GPT2Config.__dataclass_fields__ if name != "eos_token_ids"}
    machine = {"products": processes.products, "processes": processes.count, "device": processes.device.type}
    beginning = sha256()
    for _, leaf in named_leaves(weights):
        beginning.update(leaf.numpy().tobytes())
    texts = sha256(row.numpy().tobytes()).hexdigest()
    return {**shape, **asdict(settings), **machine, **dict(zip(_HASHED, (texts, beginning.hexdigest()), strict=True))}


def refuse_other_run(before: Mapping[str, Any], now: Mapping[str, Any], checkpoint: Path) -> None:
    """Raise TrainingError, with all differences, unless the resumed run has the same description."""
    differences = [
        f"the {name} are different" if name in _HASHED else f"{name} was {before.get(name)} and is {now.get(name)} now"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]
    if differences:
        raise TrainingError(
            f"{checkpoint}: {'; '.join(differences)}; resume with the options and texts that the run began with, or"
            " train on from it with --from"
        )
