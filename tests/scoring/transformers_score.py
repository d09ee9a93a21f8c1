"""The recipe of `starchart score` once more, with transformers, tokenizers and torch alone, in float64."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2LMHeadModel


def transformers_score(folder: Path, documents: Sequence[str], context: int, stride: int) -> tuple[int, int, float]:
    """Return how many tokens and bytes the documents have, and their log-likelihood in nats."""
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
    tokenizer = ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokens, likelihood = 0, 0.0
    for document in documents:
        ids = torch.tensor([tokenizer.token_to_id("<|endoftext|>"), *tokenizer.encode(document).ids])
        nats = document_nats(model, ids, context, stride)
        assert not nats[1:].isnan().any()
        tokens += len(nats) - 1
        likelihood += nats[1:].sum().item()
    return tokens, len("".join(documents).encode()), likelihood


def document_nats(model: torch.nn.Module, ids: torch.Tensor, context: int, stride: int) -> torch.Tensor:  # [T] -> [T]
    """Return ln p of every id but the first. Later windows first, so that the earliest one that has an id stays."""
    nats = torch.full(ids.shape, torch.nan, dtype=torch.float64)
    for start in reversed(range(0, len(ids) - 1, stride)):
        window = ids[start : start + context]
        with torch.no_grad():
            log_p = model(window[None]).logits[0].log_softmax(-1)
        nats[start + 1 : start + len(window)] = log_p[:-1].gather(1, window[1:, None])[:, 0]
    return nats
