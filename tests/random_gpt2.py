"""Tiny GPT-2s written by transformers, every number random: gammas, betas and biases too, which it leaves neutral."""

from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

SIZES = {
    "vocab_size": 61,
    "n_positions": 23,
    "n_embd": 12,
    "n_layer": 2,
    "n_head": 3,
    "eos_token_id": 60,
    "bos_token_id": 60,
}


def write_random_gpt2(folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32, **options: object) -> None:
    """Save a seeded model of SIZES, changed by `options`, as `save_pretrained` does."""
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(GPT2Config(**{**SIZES, **options}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(mean=1.0 if ".ln_" in name and name.endswith("weight") else 0.0, std=0.3)
    model.to(dtype).save_pretrained(folder)


def transformers_logits(folder: Path, ids: list[int], **options: object) -> torch.Tensor:  # [T] -> [T][V]
    """Return the logits of transformers in float64."""
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager", **options).eval()
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]
