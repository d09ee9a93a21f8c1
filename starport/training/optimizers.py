"""The optimizers, and which weights each of them updates.

AdamW updates all weights, with weight decay on matrices only, not on biases and the gains of layer norms. With "muon",
Muon updates the matrices of the blocks, and AdamW the embedding tables and vectors.
Sources: Loshchilov and Hutter 2019, algorithm 2; Jordan et al. 2024, Muon; Liu et al. 2025, section 2.2, for its scale.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from starport.training.settings import TrainingSettings


def make_optimizers(named: Mapping[str, Parameter], settings: TrainingSettings) -> list[Optimizer]:
    """Return optimizers that together update all named weights."""
    muons = [p for name, p in named.items() if p.dim() == 2 and name.startswith("h.") and settings.optimizer == "muon"]
    theirs = set(muons)
    matrices = [p for p in named.values() if p.dim() == 2 and p not in theirs]
    vectors = [p for p in named.values() if p.dim() == 1]
    optimizers: list[Optimizer] = [
        torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": settings.weight_decay},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            betas=(settings.beta1, settings.beta2),
            fused=True,
        )
    ]
    if muons:
        # Updates as large as those of AdamW, so that one learning rate is right for both.
        optimizers.append(
            torch.optim.Muon(
                muons,
                lr=settings.learning_rate,
                weight_decay=settings.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )
        )
    return optimizers


def set_learning_rate(optimizers: Iterable[Optimizer], rate: float) -> None:
    """Set the learning rate of every weight."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate


def optimizer_tensors(optimizers: Iterable[Optimizer], named: Mapping[str, Parameter]) -> dict[str, Tensor]:
    """Return the state of the optimizers by names such as `h.0.ln_1.weight.exp_avg`."""
    return {
        f"{name}.{key}": value
        for optimizer in optimizers
        for name, parameter in named.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizers(
    optimizers: Iterable[Optimizer], named: Mapping[str, Parameter], tensors: Mapping[str, Tensor]
) -> bool:
    """Restore the state that `optimizer_tensors` returned. Return False if it does not fit these weights."""
    owners = {p: optimizer for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    for full, value in tensors.items():
        name, _, key = full.rpartition(".")
        parameter = named.get(name)
        if parameter is None or (value.dim() and value.shape != parameter.shape):
            return False
        owners[parameter].state[parameter][key] = value.to(parameter.device, copy=True)
    return all(owners[parameter].state[parameter] for parameter in named.values())
