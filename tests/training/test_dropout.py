"""Dropout is where GPT-2 has it: on the sum of the embeddings, at the end of a branch, on the attention pattern."""

import torch

from starchart.tap import no_tap
from starport.training.dropout_engine import DropoutEngine

RATE = 0.25
STREAM = torch.randn(8, 50, 40, generator=torch.Generator().manual_seed(1)) + 3
BRANCH = torch.randn(8, 50, 40, generator=torch.Generator().manual_seed(2)) + 5


def share_dropped(dropped, whole):
    """Return the share of zeros; everything else is scaled up, so that the mean stays."""
    zeros = dropped.abs() < 1e-6
    assert torch.allclose(dropped[~zeros], whole[~zeros] / (1 - RATE), atol=1e-5)
    return zeros.float().mean().item()


def test_of_a_branch_and_not_of_the_stream():
    torch.manual_seed(3)
    dropped = DropoutEngine(RATE).add(STREAM, BRANCH) - STREAM
    assert abs(share_dropped(dropped, BRANCH) - RATE) < 0.02  # 16,000 draws: five deviations


def test_of_the_embeddings_as_a_whole():
    torch.manual_seed(3)
    positions = BRANCH[0]  # no batch axis
    dropped = DropoutEngine(RATE).add(STREAM, positions)
    assert abs(share_dropped(dropped, STREAM + positions) - RATE) < 0.02


def test_of_the_attention_pattern():
    # Values of ones: each output is the sum of a row of the pattern, which is 1 without dropout.
    qkv = torch.cat((torch.randn(4, 30, 16), torch.ones(4, 30, 8)), -1)
    torch.manual_seed(3)
    sums, _ = DropoutEngine(RATE).attend(qkv, None, 2, 0.5, no_tap)
    assert set(torch.unique((sums[:, 0] * 1000).round()).tolist()) <= {0.0, 1333.0}  # one weight of 1, kept or dropped
    assert sums.std() > 0.05
    assert abs(sums.mean().item() - 1) < 0.05


def test_none_changes_nothing():
    engine = DropoutEngine(0.0)
    assert torch.equal(engine.add(STREAM, BRANCH), STREAM + BRANCH)
    qkv = torch.randn(4, 30, 24)
    assert torch.equal(engine.attend(qkv, None, 2, 0.5, no_tap)[0], engine.attend(qkv, None, 2, 0.5, no_tap)[0])
