"""The parts of a training, each by itself."""

from math import cos, pi, sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from starchart import Tokenizer
from starchart.errors import TrainingError
from starchart.model.config import GPT2Config
from starport.engines.tensors import named_leaves
from starport.training.initial_weights import drawn_weights
from starport.training.loss_curve import draw_loss_curve
from starport.training.optimizers import make_optimizers, optimizer_tensors, restore_optimizers, set_learning_rate
from starport.training.output_folder import OutputFolder
from starport.training.record import Record, read_rows
from starport.training.settings import TrainingSettings, learning_rate_share
from starport.training.token_windows import TokenWindows
from starport.training.training_vocabulary import lay_vocabulary


def test_the_learning_rate_rises_along_a_line_and_falls_along_a_cosine():
    settings = TrainingSettings(steps=10, context=4, warmup_steps=4, final_learning_rate=0.2)
    shares = [learning_rate_share(step, settings) for step in range(10)]
    assert shares[:4] == [0.25, 0.5, 0.75, 1.0]
    assert shares[4:] == pytest.approx([0.2 + 0.4 * (1 + cos(pi * done / 6)) for done in range(6)])
    assert learning_rate_share(10, settings) == pytest.approx(0.2)
    assert learning_rate_share(0, TrainingSettings(steps=1, context=4, warmup_steps=0)) == 1.0


def test_weights_are_drawn_as_gpt2s_were():
    config = GPT2Config(vocab_size=301, n_positions=65, n_embd=96, n_layer=3, n_head=4, tie_word_embeddings=False)
    for name, leaf in named_leaves(drawn_weights(config, seed=5)):
        if leaf.dim() == 1:
            assert set(leaf.tolist()) == {1.0 if "ln_" in name and name.endswith("weight") else 0.0}, name
            continue
        expected = 0.02 / sqrt(6) if name.endswith("c_proj.weight") else 0.02
        # The deviation of n numbers is off by expected / sqrt(2 n) in one case of three; five times that never happens.
        assert abs(leaf.std().item() - expected) < 5 * expected / sqrt(2 * leaf.numel()), name
        assert abs(leaf.mean().item()) < 5 * expected / sqrt(leaf.numel()), name
    names = [name for name, _ in named_leaves(drawn_weights(config, seed=5))]
    assert "lm_head.weight" in names
    first, again, other = (dict(named_leaves(drawn_weights(config, seed)))["wte.weight"] for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@given(length=st.integers(2, 90), context=st.integers(1, 20), seed=st.integers(0, 3), epoch=st.integers(0, 4))
def test_an_epoch_reads_no_token_twice_and_almost_all(length, context, seed, epoch):
    if length <= context:
        return
    windows = TokenWindows(torch.arange(length), context, seed)
    inputs, targets = windows.batch(epoch * windows.per_epoch, windows.per_epoch)
    assert torch.equal((inputs + 1) % length, targets)
    read = inputs.flatten().tolist()
    assert len(read) == len(set(read))
    assert length - len(read) < context


def test_every_token_is_predicted_in_some_epoch():
    windows = TokenWindows(torch.arange(29), 15, seed=1)  # one window an epoch
    _, targets = windows.batch(0, 40)
    assert set(targets.flatten().tolist()) == set(range(29))


def test_windows_of_an_epoch_are_shuffled_anew_and_begin_elsewhere():
    windows = TokenWindows(torch.arange(1000), 10, seed=3)
    epochs = [windows.batch(n * windows.per_epoch, windows.per_epoch)[0][:, 0].tolist() for n in range(4)]
    assert len({tuple((start - epoch[0]) % 1000 for start in epoch) for epoch in epochs}) == 4
    assert len({min(start % 10 for start in epoch) for epoch in epochs}) > 1
    across = windows.batch(windows.per_epoch - 2, 4)[0][:, 0].tolist()
    assert across == [*epochs[0][-2:], *epochs[1][:2]]


def weights(seed=1):
    config = GPT2Config(vocab_size=19, n_positions=7, n_embd=6, n_layer=2, n_head=2)
    torch.manual_seed(seed)
    return {name: torch.nn.Parameter(torch.randn(leaf.shape)) for name, leaf in named_leaves(drawn_weights(config, 0))}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_decay_pulls_on_matrices_only(optimizer):
    named = weights()
    before = {name: value.detach().clone() for name, value in named.items()}
    settings = TrainingSettings(
        steps=1, context=4, optimizer=optimizer, learning_rate=0.5, weight_decay=0.1, warmup_steps=0
    )
    optimizers = make_optimizers(named, settings)
    set_learning_rate(optimizers, 0.5)
    for value in named.values():
        value.grad = torch.zeros_like(value)
    for one in optimizers:
        one.step()
    for name, value in named.items():
        kept = 1 - 0.5 * 0.1 if value.dim() == 2 else 1.0
        assert torch.allclose(value, kept * before[name], rtol=1e-6), name


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_moves_every_weight_by_about_the_learning_rate(optimizer):
    named = weights()
    before = {name: value.detach().clone() for name, value in named.items()}
    settings = TrainingSettings(steps=1, context=4, optimizer=optimizer, learning_rate=1e-3, weight_decay=0.0)
    optimizers = make_optimizers(named, settings)
    for value in named.values():
        value.grad = torch.randn_like(value)
    for one in optimizers:
        one.step()
    for name, value in named.items():
        moved = (value - before[name]).detach().pow(2).mean().sqrt().item()
        muon = optimizer == "muon" and value.dim() == 2 and name.startswith("h.")
        # AdamW's first step is the sign of the gradient; Muon's a near-orthogonal matrix of 0.2 times its size.
        assert 1e-4 < moved < 3e-4 if muon else moved == pytest.approx(1e-3, rel=1e-3), name


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_optimizers_remember_what_they_are_given(optimizer):
    settings = TrainingSettings(steps=9, context=4, optimizer=optimizer)
    whole, stopped = weights(), weights()

    def step(named, optimizers, seed):
        torch.manual_seed(seed)
        for value in named.values():
            value.grad = torch.randn_like(value)
        for one in optimizers:
            one.step()

    first, second = make_optimizers(whole, settings), make_optimizers(stopped, settings)
    for seed in (1, 2):
        step(whole, first, seed)
        step(stopped, second, seed)
    remembered = optimizer_tensors(second, stopped)
    third = make_optimizers(stopped, settings)
    assert restore_optimizers(third, stopped, remembered)
    step(whole, first, 3)
    step(stopped, third, 3)
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)


def test_a_checkpoint_appears_when_it_is_whole_and_old_ones_go(tmp_path):
    folder = OutputFolder(tmp_path / "out")
    assert folder.newest_checkpoint() is None
    for name in ("step-000900", "step-001000", ".step-000900.71.part", "other", "mine.part", "vocabulary"):
        (folder.checkpoints / name).mkdir(parents=True)

    def write(aside):
        (aside / "file").write_text("whole")
        assert folder.newest_checkpoint().name == "step-001000"

    folder.write_checkpoint(1_000_000, write, keep=2)
    assert folder.newest_checkpoint().name == "step-1000000"
    left = {path.name for path in folder.checkpoints.iterdir()}
    assert left == {"step-001000", "step-1000000", "other", "mine.part", "vocabulary"}


def test_a_checkpoint_that_fails_leaves_the_others(tmp_path):
    folder = OutputFolder(tmp_path / "out")
    (folder.checkpoints / "step-000900").mkdir(parents=True)

    def write(aside):
        (aside / "file").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(TrainingError, match=r"step-001000: cannot be written: .*No space left"):
        folder.write_checkpoint(1000, write, keep=1)
    assert [path.name for path in folder.checkpoints.iterdir()] == ["step-000900"]


@pytest.mark.parametrize("first", [6.0, 12.0])
def test_a_picture_of_losses(first, tmp_path):
    rows = [f"{n},{64 * n},0.001,{first - n / 100},{'1.5' if n % 50 == 0 else ''}" for n in range(1, 101)]
    header = "step,tokens,learning_rate,loss,validation_bits_per_byte"
    (tmp_path / "losses.csv").write_text("\n".join([header, *rows, ""]))
    draw_loss_curve(tmp_path / "losses.csv", tmp_path / "losses.svg")
    picture = (tmp_path / "losses.svg").read_text(encoding="utf-8")
    for curve in ("loss", "validation"):
        drawn = picture.partition(f'<g id="{curve}">')[2].partition("</g>")[0]
        assert drawn.count("L ") > (90 if curve == "loss" else 0), curve


@pytest.mark.parametrize("damage", [b"", b"step\n", b"\xff\xfe", b"a,b\n\n1,2\n", b"h\n-1,2,3,4,5\n1,nan,2,x,\n"])
def test_a_damaged_record_has_no_rows(damage, tmp_path):
    assert read_rows(tmp_path / "none.csv") == []
    (tmp_path / "losses.csv").write_bytes(damage)
    assert read_rows(tmp_path / "losses.csv") == []
    draw_loss_curve(tmp_path / "losses.csv", tmp_path / "losses.svg")
    assert not (tmp_path / "losses.svg").exists()


def test_a_record_goes_on_from_its_whole_rows(tmp_path):
    file, settings = tmp_path / "losses.csv", TrainingSettings(steps=9, context=4, batch_size=2)
    with Record(file, settings, done=0) as record:
        for step in range(1, 6):
            record.add(step, 5.0 - step, 0.001, 2.5 if step == 4 else None)
    whole = file.read_text()
    file.write_text(whole[:-7] + "\n\n")
    with Record(file, settings, done=4) as record:
        record.add(5, 0.0, 0.001, None)
    assert file.read_text() == whole
    assert whole.splitlines()[4] == "4,32,0.001,1.000000,2.500000"


def test_the_vocabulary_of_gpt2_is_given_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no cache"))
    lay_vocabulary(tmp_path / "out", [], "gpt2", 4096)
    written = Tokenizer.from_pretrained(tmp_path / "out")
    assert written.tokens(range(50257)) == Tokenizer.from_pretrained("gpt2").tokens(range(50257))
