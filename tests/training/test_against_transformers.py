"""The steps of a training equal those of transformers' own model under torch's own optimizer."""

import json

import pytest
import torch
from transformers import GPT2LMHeadModel

from starchart import Tokenizer
from starport.scoring.documents import read_documents
from starport.training.settings import TrainingSettings, learning_rate_share
from starport.training.token_windows import TokenWindows, token_row
from tests.tiny_model import write_tiny_model
from tests.training.runs import EXACT, losses, train, write_text

STEPS, CONTEXT, BATCH = 8, 12, 3


def their_losses(folder, text):
    """Train a model of transformers on the same windows, and return the loss of every step."""
    model = GPT2LMHeadModel.from_pretrained(folder, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0).train()
    matrices = [value for value in model.parameters() if value.dim() == 2]
    vectors = [value for value in model.parameters() if value.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95), eps=1e-8)
    row = token_row(read_documents([text]), Tokenizer.from_pretrained(folder), 260)
    windows = TokenWindows(row, CONTEXT, seed=4)
    settings = TrainingSettings(steps=STEPS, context=CONTEXT, warmup_steps=2)
    found = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * learning_rate_share(step, settings)
        inputs, targets = windows.batch(step * BATCH, BATCH)
        logits = model(inputs).logits
        loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("tied", [True, False])
def test_the_losses_of_every_step(tied, tmp_path):
    folder = write_tiny_model(tmp_path / "model", seed=5, n_layer=3, tie_word_embeddings=tied)
    text = write_text(tmp_path / "text.txt")
    how = ("--steps", STEPS, "--context", CONTEXT, "--batch-size", BATCH, "--warmup-steps", "2", "--seed", "4")
    more = ("--learning-rate", "3e-3", "--beta2", "0.95", "--clip", "0.5", *EXACT)
    assert train(text, "--from", folder, "--out", tmp_path / "out", *how, *more) == 0
    ours, theirs = losses(tmp_path / "out"), their_losses(folder, text)
    assert theirs[0] - theirs[-1] > 0.3  # it learns
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is tied
    assert ours == pytest.approx(theirs, abs=1e-4)  # float32 in another order (6e-8 of about 5), eight steps on


def test_a_head_of_its_own_stays_where_the_configuration_says_tied(tmp_path):
    folder = write_tiny_model(tmp_path / "model", seed=5, tie_word_embeddings=False)
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, "tie_word_embeddings": True}))
    how = ("--steps", "1", "--learning-rate", "1e-9", "--warmup-steps", "0", *EXACT)
    assert train(write_text(tmp_path / "text.txt"), "--from", folder, "--out", tmp_path / "out", *how) == 0
    model = GPT2LMHeadModel.from_pretrained(tmp_path / "out")
    assert not torch.equal(model.lm_head.weight, model.transformer.wte.weight)
