"""`starchart train`: its files, that the loss falls, and that a resumed run continues exactly."""

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from starchart import GPT2, Tokenizer
from starport.cli import main
from starport.training.trainer import Trainer
from tests.children import started
from tests.random_gpt2 import write_random_gpt2
from tests.tiny_model import write_tiny_model
from tests.training.runs import (
    EXACT,
    ROOT,
    SHAPE,
    SHORT,
    TORCHRUN,
    VARIABLES,
    losses,
    rows,
    train,
    write_text,
)

MODEL_FILES = {"config.json", "generation_config.json", "model.safetensors", "vocab.json", "merges.txt"}


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path / "text.txt")


@pytest.fixture
def valid(tmp_path):
    return write_text(tmp_path / "valid.txt", documents=2, seed=2)


def test_what_a_training_leaves_behind(text, valid, tmp_path, capsys):
    out = tmp_path / "out"
    assert train(text, "--valid", valid, "--out", out, *SHORT, *EXACT, "--validate-every", "5", "--keep", "2") == 0
    assert {path.name for path in out.iterdir()} == {*MODEL_FILES, "checkpoints", "losses.csv", "losses.svg"}
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["step-000008", "step-000012", "vocabulary"]
    kept = {path.name for path in (out / "checkpoints" / "step-000012").iterdir()}
    assert kept == {*MODEL_FILES, "optimizer.safetensors", "training.json"}
    assert [row["step"] for row in rows(out)] == [str(step) for step in range(1, 13)]
    assert [row["tokens"] for row in rows(out)][-1] == str(12 * 4 * 16)
    assert [row["step"] for row in rows(out) if row["validation_bits_per_byte"]] == ["5", "10", "12"]
    assert 'id="validation"' in (out / "losses.svg").read_text(encoding="utf-8")
    assert len({path.stat().st_mode for path in out.iterdir() if path.is_file()}) == 1  # all may be read by the same
    told = capsys.readouterr()
    assert told.out == ""
    assert "6 documents; 12 steps of 64 tokens" in told.err
    assert f"{out}: the model" in told.err


@pytest.mark.parametrize("start", ["towel", "tiny.gguf"])
def test_training_on_from_a_model_of_any_kind(start, text, tmp_path):
    if start != "towel":
        start = tmp_path / start
        assert main(["convert", str(write_tiny_model(tmp_path / "tiny")), str(start), "--format", "gguf"]) == 0
    how = ("--from", start, "--steps", "1", "--context", "16", "--batch-size", "1", *EXACT)
    assert train(text, "--out", tmp_path / "out", *how) == 0
    before, after = Tokenizer.from_pretrained(start), Tokenizer.from_pretrained(tmp_path / "out")
    assert after.encode("the fox sang") == before.encode("the fox sang")


def test_the_last_loss_is_told_without_a_validation_too(text, tmp_path, capsys):
    assert train(text, "--out", tmp_path / "out", *SHORT, *EXACT) == 0
    assert f"step 12: loss {losses(tmp_path / 'out')[-1]:.4f} nats per token\n" in capsys.readouterr().err


def test_the_model_is_the_same_in_transformers(text, tmp_path):
    out = tmp_path / "out"
    assert train(text, "--out", out, *SHORT, *EXACT) == 0
    theirs = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float64, attn_implementation="eager")
    words = AutoTokenizer.from_pretrained(out)("the fox sang").input_ids
    assert Tokenizer.from_pretrained(out).encode("the fox sang") == words
    with torch.no_grad():
        expected = theirs(torch.tensor([words])).logits[0]
    ours = GPT2.from_pretrained(out).logits(words)
    # Both sides round some thousand operations to 2^-53 of values of about 1.
    assert (torch.tensor(ours, dtype=torch.float64) - expected).abs().max().item() <= 1e-12
    assert theirs.config.eos_token_id == theirs.generation_config.eos_token_id == 0
    theirs.save_pretrained(tmp_path / "theirs")
    files = (folder / "model.safetensors" for folder in (out, tmp_path / "theirs"))
    ours, theirs = ({name: value.shape for name, value in load_file(file).items()} for file in files)
    assert ours == theirs


@pytest.mark.parametrize(("optimizer", "products"), [("adamw", "float32"), ("muon", "float32"), ("muon", "bfloat16")])
def test_a_resumed_training_is_the_one_that_never_stopped(optimizer, products, text, valid, tmp_path):
    how = ("--device", "cpu", "--precision", products, "--optimizer", optimizer, "--dropout", "0.2", "--keep", "3")
    options = (text, "--valid", valid, *SHORT, *how)
    assert train(*options, "--out", tmp_path / "whole") == 0
    assert train(*options, "--out", tmp_path / "stopped") == 0
    forget_after(tmp_path / "stopped", step=8)
    again = (text, "--valid", valid, "--device", "cpu", "--precision", products, "--keep", "3", "--save-every", "4")
    assert train(*again, "--out", tmp_path / "stopped", "--resume") == 0  # the rest is known from the checkpoint
    for name in ("losses.csv", "model.safetensors", "checkpoints/step-000012/optimizer.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes(), name


def forget_after(folder: Path, step: int) -> None:
    """Leave of a training what it had written when it was killed after this step, and some rows more."""
    for checkpoint in (folder / "checkpoints").glob("step-*"):
        if int(checkpoint.name.removeprefix("step-")) > step:
            for file in checkpoint.iterdir():
                file.unlink()
            checkpoint.rmdir()
    (folder / "model.safetensors").unlink()
    lines = (folder / "losses.csv").read_text().splitlines(keepends=True)
    (folder / "losses.csv").write_text("".join(lines[: step + 3]))


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_killed_training_leaves_whole_checkpoints_and_goes_on(text, tmp_path):
    options = [text, *SHAPE, *EXACT, "--steps", "100", "--batch-size", "4", "--save-every", "1", "--keep", "1"]
    command = [sys.executable, "-m", "starport", "train", *options, "--out", str(tmp_path / "out")]
    checkpoints = tmp_path / "out" / "checkpoints"
    with started(command, env=VARIABLES, stderr=subprocess.PIPE) as process:
        while not list(checkpoints.glob("step-*")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.001)
        process.kill()
    whole = list(checkpoints.glob("step-*"))
    assert whole
    for checkpoint in whole:
        assert json.loads((checkpoint / "training.json").read_text())["step"] == int(checkpoint.name[5:])
        GPT2.from_pretrained(checkpoint).close()
    done = subprocess.run(
        [*command, "--resume"], env=VARIABLES, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert "from step" in done.stderr
    assert len(losses(tmp_path / "out")) == 100
    assert {path.name for path in checkpoints.iterdir()} == {"step-000100", "vocabulary"}


def first_moments(folder):
    """Return the running means of the gradients, of which AdamW's and clipping's results do not show the size."""
    tensors = load_file(max((folder / "checkpoints").glob("step-*")) / "optimizer.safetensors")
    return torch.cat([value.flatten() for name, value in sorted(tensors.items()) if name.endswith(".exp_avg")])


def run_on_two(*arguments, succeeds=True):
    """Run `starchart train` on two processes, and return what it prints."""
    command = [*TORCHRUN, "-m", "starport", "train", *arguments]
    with started(command, env=VARIABLES, stderr=subprocess.PIPE) as process:
        told = process.communicate(timeout=200)[1].decode()
    assert (process.returncode == 0) == succeeds, told
    return told


# Sums of gradients in another order, rounded to float32 (6e-8 of numbers of about 1), and steps that build on them.
CLOSE = 1e-4


def test_two_processes_give_the_losses_of_one(text, valid, tmp_path):
    options = [text, "--valid", valid, *SHORT, *EXACT, "--accumulate", "2", "--clip", "0"]
    assert train(*options, "--out", tmp_path / "one") == 0
    assert "2 processes" in run_on_two(*options, "--out", tmp_path / "two")
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert two == pytest.approx(one, abs=CLOSE)
    assert one[0] - one[-1] > 100 * CLOSE  # it moved much further than that
    moments = first_moments(tmp_path / "one")
    assert (first_moments(tmp_path / "two") - moments).abs().max() < 0.01 * moments.abs().max()
    assert (
        rows(tmp_path / "one")[-1]["validation_bits_per_byte"][:5]
        == rows(tmp_path / "two")[-1]["validation_bits_per_byte"][:5]
    )


def test_two_processes_go_on_where_they_stopped(text, tmp_path):
    options = [text, *SHORT, *EXACT, "--optimizer", "muon", "--dropout", "0.2", "--keep", "3"]
    run_on_two(*options, "--out", tmp_path / "out")
    whole = losses(tmp_path / "out")
    forget_after(tmp_path / "out", step=4)
    run_on_two(*options, "--out", tmp_path / "out", "--resume")
    assert losses(tmp_path / "out") == pytest.approx(whole, abs=CLOSE)
    told = run_on_two(*options, "--out", tmp_path / "out", succeeds=False)
    assert told.count("starchart: ") == 1
    assert "contains a training already" in told


def test_accumulated_batches_are_one_large_batch(text, tmp_path):
    options = [text, *SHAPE, *EXACT, "--steps", "8", "--warmup-steps", "3", "--clip", "0"]
    assert train(*options, "--batch-size", "6", "--out", tmp_path / "large") == 0
    assert train(*options, "--batch-size", "2", "--accumulate", "3", "--out", tmp_path / "small") == 0
    assert losses(tmp_path / "small") == pytest.approx(losses(tmp_path / "large"), abs=CLOSE)
    moments = first_moments(tmp_path / "large")
    assert (first_moments(tmp_path / "small") - moments).abs().max() < 0.01 * moments.abs().max()


def test_a_page_is_learnt_by_heart(tmp_path):
    shape = ("--vocab-size", "300", "--n-layer", "2", "--n-head", "2", "--n-embd", "64", "--n-positions", "64")
    how = ("--steps", "300", "--learning-rate", "0.01", "--optimizer", "muon", "--weight-decay", "0")
    assert train(ROOT / "LICENSE", "--out", tmp_path / "out", *shape, *how, *EXACT) == 0
    assert losses(tmp_path / "out")[0] > 5  # it knew nothing: ln 300 is 5.7
    assert max(losses(tmp_path / "out")[-5:]) < 0.1


def test_training_goes_on_from_a_model(text, tmp_path):
    assert train(text, "--out", tmp_path / "first", *SHORT, *EXACT) == 0
    how = ("--steps", "2", "--learning-rate", "1e-9", "--warmup-steps", "0", *EXACT)
    assert train(text, "--from", tmp_path / "first", "--out", tmp_path / "second", *how) == 0
    first, second = (GPT2.from_pretrained(tmp_path / name).logits([5, 6, 7]) for name in ("first", "second"))
    assert first[2] == pytest.approx(second[2], abs=1e-6)  # two steps of 1e-9
    assert losses(tmp_path / "second")[0] < losses(tmp_path / "first")[0]
    for name in ("vocab.json", "merges.txt"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_training_goes_on_from_a_model_of_transformers(text, tmp_path):
    # As save_pretrained leaves it: a vocabulary in tokenizer.json alone; and another activation, another width.
    first = tmp_path / "first"
    assert train(text, "--out", tmp_path / "vocabulary", *SHORT, *EXACT) == 0
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "vocabulary")
    write_random_gpt2(first, vocab_size=len(tokenizer), activation_function="relu", n_inner=7, eos_token_id=0)
    tokenizer.save_pretrained(first)
    assert not (first / "vocab.json").exists()
    how = ("--steps", "2", "--learning-rate", "1e-9", "--warmup-steps", "0", *EXACT)
    assert train(text, "--from", first, "--out", tmp_path / "second", *how) == 0
    ids = [5, 6, 7]
    before, after = (GPT2.from_pretrained(folder).logits(ids)[2] for folder in (first, tmp_path / "second"))
    assert after == pytest.approx(before, abs=1e-6)  # two steps of 1e-9
    assert Tokenizer.from_pretrained(tmp_path / "second").encode("the fox") == tokenizer("the fox").input_ids


def test_an_epoch_reads_the_text_once(text, tmp_path):
    assert train(text, "--out", tmp_path / "out", *SHAPE, *EXACT, "--epochs", "2", "--batch-size", "3") == 0
    tokens = sum(len(Tokenizer.from_pretrained(tmp_path / "out").encode(part)) for part in documents(text)) + 6
    assert len(losses(tmp_path / "out")) == math.ceil(2 * (tokens // 16) / 3)


def documents(text):
    return [part.strip() for part in Path(text).read_text(encoding="utf-8").split("<|endoftext|>\n")]


def test_numbers_of_the_final_model(text, tmp_path):
    assert train(text, "--out", tmp_path / "out", *SHORT, *EXACT, "--save-as", "float16") == 0
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "float16"
    half, whole = tmp_path / "out" / "model.safetensors", tmp_path / "out/checkpoints/step-000012/model.safetensors"
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").dtype == torch.float16


def test_dropout_and_seeds_change_the_losses(text, tmp_path):
    for name, more in {"a": (), "b": ("--dropout", "0.3"), "c": ("--seed", "7"), "d": ()}.items():
        assert train(text, "--out", tmp_path / name, *SHORT, *EXACT, *more) == 0
    a, b, c, d = (losses(tmp_path / name) for name in "abcd")
    assert a == d
    assert a[0] not in (b[0], c[0])
    assert all(math.isfinite(loss) for loss in (*b, *c))


def test_an_interrupted_training_says_what_is_kept(text, tmp_path, capsys, monkeypatch):
    one_step = Trainer._one_step

    def interrupted(trainer, rate):
        if trainer.step == 6:
            raise KeyboardInterrupt
        return one_step(trainer, rate)

    monkeypatch.setattr(Trainer, "_one_step", interrupted)
    assert train(text, "--out", tmp_path / "out", *SHORT, *EXACT) == 130
    kept = tmp_path / "out" / "checkpoints" / "step-000004"
    assert f"stopped after step 6; --resume continues from {kept}\n" in capsys.readouterr().err
    never = ("--save-every", "10")
    assert train(text, "--out", tmp_path / "new", *SHORT, *EXACT, *never) == 130
    assert "stopped after step 6; nothing was saved\n" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_texts_with_a_byte_order_mark(text, valid, tmp_path, capsys):
    assert train(text, "--valid", valid, "--out", tmp_path / "plain", *SHORT, *EXACT) == 0
    capsys.readouterr()
    for file in map(Path, (text, valid)):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert train(text, "--valid", valid, "--out", tmp_path / "marked", *SHORT, *EXACT) == 0
    told = capsys.readouterr().err
    for file in (text, valid):
        assert told.count(f"{file}: the byte-order mark at its beginning was removed;") == 1
    for name in ("model.safetensors", "losses.csv", "vocab.json"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "marked" / name).read_bytes(), name
    Path(text).write_bytes("the one".encode("utf-16"))
    assert train(text, "--out", tmp_path / "wide", *SHORT) == 2
    assert f"{text}: is UTF-16 text; convert it to UTF-8" in capsys.readouterr().err
    assert not (tmp_path / "wide").exists()
