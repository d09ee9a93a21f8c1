"""The initial weights of a training: random as in GPT-2, or those of a checkpoint."""

from math import sqrt

import torch
from torch import Tensor

from starchart.box.boxed_model import model_folder
from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.checkpoints.weight_tree import Shape, axis_sizes, fill_tree
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starport.engines.tensors import map_leaves, to_tensor

_DEVIATION = 0.02


def drawn_weights(config: GPT2Config, seed: int) -> GPTModelWeights:
    """Return weights drawn from normal distributions.

    Matrices have standard deviation 0.02; those at the end of a branch (c_proj) have 0.02 / sqrt(2 n_layer), because
    2 n_layer branches are added to the residual stream. Biases are 0 and the gains of layer norms 1.
    Sources: Radford et al. 2018, section 4.1; Radford et al. 2019, section 2.3; transformers does the same.
    """
    random = torch.Generator().manual_seed(seed)

    def leaf(name: str, shape: Shape) -> Tensor:
        if len(shape) == 1:
            return torch.full(shape, 1.0 if name.split(".")[-2].startswith("ln_") and name.endswith("weight") else 0.0)
        share = 1 / sqrt(2 * config.n_layer) if name.endswith("c_proj.weight") else 1.0
        return torch.normal(0.0, _DEVIATION * share, shape, generator=random)

    optional = () if config.tie_word_embeddings else ("lm_head",)
    weights: GPTModelWeights = fill_tree(GPTModelWeights, axis_sizes(config), optional, leaf)
    return weights


def loaded_weights(model: str) -> tuple[GPT2Config, GPTModelWeights]:
    """Return the configuration and the weights of a checkpoint in float32. Raises CheckpointError or ConfigError."""
    config, weights = load_checkpoint(model_folder(model))
    return config, map_leaves(weights, lambda leaf: to_tensor(leaf).to(torch.float32, copy=True))
