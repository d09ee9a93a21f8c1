"""`starchart train` with bad input: one clear line, exit code 2, and no partial file."""

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import starport
from starport.training.processes import Processes
from starport.training.trained_model import TrainedModel
from tests.hanging import needs_pipes, no_hang
from tests.tiny_model import write_tiny_model
from tests.training.runs import EXACT, SHAPE, SHORT, losses, train, write_text


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path / "text.txt")


@pytest.fixture
def refused(capsys):
    """Run a training that is refused, and return the one line that says why."""

    def refuse(*arguments):
        capsys.readouterr()
        assert train(*arguments) == 2
        told = capsys.readouterr()
        assert told.out == ""
        lines = [line for line in told.err.splitlines() if line.startswith("starchart: ")]
        assert len(lines) == 1, told.err
        assert "Traceback" not in told.err
        return lines[0]

    return refuse


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "contains no text"),
        (b"\n<|endoftext|>\n \n", "contains no text"),
        (b"one\ntwo \xff\n", "line 2 is not UTF-8"),
        (b"a short text", "make 12 tokens, and a window of 16 needs 17: give more text, or a smaller --context"),
    ],
)
def test_a_text_of_no_use(content, complaint, tmp_path, refused):
    (tmp_path / "bad.txt").write_bytes(content)
    vocabulary = write_tiny_model(tmp_path / "vocabulary")  # so that the vocabulary is not what is wrong
    assert complaint in refused(tmp_path / "bad.txt", "--vocab", vocabulary, "--out", tmp_path / "out", *SHORT)
    assert "no such file" in refused(tmp_path / "none.txt", "--out", tmp_path / "out", *SHORT)


@contextmanager
def two_processes(*_):
    yield Processes(0, 2, torch.device("cpu"), "float32")


@needs_pipes
def test_a_text_that_is_a_pipe_is_for_one_process(text, tmp_path, refused, monkeypatch):
    reader, writer = os.pipe()
    os.write(writer, Path(text).read_bytes())
    os.close(writer)
    pipe = f"/dev/fd/{reader}"
    with no_hang():
        with monkeypatch.context() as patch:
            patch.setattr("starport.training.train.joined_processes", two_processes)
            assert f"{pipe}: cannot be read: it is a pipe" in refused(pipe, "--out", tmp_path / "two", *SHORT)
        assert train(pipe, "--out", tmp_path / "piped", *EXACT, *SHORT) == 0
        os.close(reader)
        assert train(text, "--out", tmp_path / "file", *EXACT, *SHORT) == 0
    assert losses(tmp_path / "piped") == losses(tmp_path / "file")


def test_a_validation_text_of_no_use(text, tmp_path, refused):
    (tmp_path / "empty.txt").touch()
    assert "empty.txt: contains no text" in refused(
        text, "--valid", tmp_path / "empty.txt", "--out", tmp_path / "out", *SHORT
    )


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--steps", "0", "--steps 0: it must be at least 1"),
        ("--epochs", "0", "--epochs 0.0: it must be above 0"),
        ("--epochs", "inf", "--epochs inf: it must be above 0"),
        ("--context", "17", "--context 17: it must be from 1 to 16"),
        ("--context", "0", "--context 0: it must be from 1 to 16"),
        ("--batch-size", "0", "--batch-size 0: it must be at least 1"),
        ("--accumulate", "-1", "--accumulate -1: it must be at least 1"),
        ("--learning-rate", "0", "--learning-rate 0.0: it must be above 0"),
        ("--learning-rate", "nan", "--learning-rate nan: it must be above 0"),
        ("--dropout", "1", "--dropout 1.0: it must be 0 or more and below 1"),
        ("--beta2", "-0.1", "--beta2 -0.1: it must be 0 or more and below 1"),
        ("--final-learning-rate", "1.5", "--final-learning-rate 1.5: it must be between 0 and 1"),
        ("--weight-decay", "-1", "--weight-decay -1.0: it must be 0 or more"),
        ("--clip", "inf", "--clip inf: it must be 0 or more"),
        ("--seed", "-3", "--seed -3: it must be from 0 to 8796093022207"),
        ("--seed", str(1 << 43), "it must be from 0 to 8796093022207"),
        ("--save-every", "0", "--save-every 0: it must be at least 1"),
        ("--keep", "0", "--keep 0: it must be at least 1"),
        ("--n-head", "4", "n_embd 15 does not divide into n_head 4 heads"),
        ("--n-layer", "0", "n_layer must be a positive whole number, not 0"),
        ("--vocab-size", "256", "--vocab-size 256: it must be above 256"),
        ("--device", "cuda:9", "there is no device 'cuda:9' here"),
        ("--device", "meta", "there is no device 'meta' here"),
        ("--n-positions", "1000000000000", "not enough memory"),
        ("--n-embd", "30000000000", "not enough memory"),
    ],
)
def test_a_number_out_of_its_range(option, value, complaint, text, tmp_path, refused):
    options = [part for part in SHORT if not (option == "--epochs" and part in ("--steps", "12"))]
    assert complaint in refused(text, "--out", tmp_path / "out", *options, f"{option}={value}")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_a_training(text, tmp_path, refused):
    assert train(text, "--out", tmp_path / "out", *SHORT, *EXACT) == 0
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    assert "contains a training already; continue it with --resume" in refused(text, "--out", tmp_path / "out", *SHORT)
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before


def test_a_folder_that_holds_a_model(text, tmp_path, refused):
    folder = write_tiny_model(tmp_path / "precious")
    before = {file: file.read_bytes() for file in folder.iterdir()}
    assert "precious: contains config.json already" in refused(text, "--out", folder, *SHORT)
    assert {file: file.read_bytes() for file in folder.iterdir()} == before
    (tmp_path / "losses.svg").write_text("precious")
    assert "contains losses.svg already" in refused(text, "--out", tmp_path, *SHORT)
    assert "--out is empty" in refused(text, "--out", "", *SHORT)


def test_nothing_to_resume(text, tmp_path, refused):
    assert "there is no checkpoint to resume" in refused(text, "--out", tmp_path / "new", *SHORT, "--resume")


def test_a_resumption_of_another_training(text, tmp_path, refused):
    out = tmp_path / "out"
    assert train(text, "--out", out, *SHORT, *EXACT) == 0
    resume = (text, "--out", out, *SHORT, *EXACT, "--resume")
    assert "n_embd was 15 and is 18 now" in refused(*resume, "--n-embd", "18")
    assert "n_layer was 2 and is 3 now" in refused(*resume, "--n-layer", "3")
    both = refused(*resume, "--n-layer", "3", "--seed", "5")
    assert "n_layer was 2 and is 3 now; " in both
    assert "seed was 0 and is 5 now; " in both
    assert "steps was 12 and is 13 now" in refused(*resume, "--steps", "13")
    assert "learning_rate was 0.001 and is 0.002 now" in refused(*resume, "--learning-rate", "0.002")
    assert "seed was 0 and is 5 now" in refused(*resume, "--seed", "5")
    write_text(tmp_path / "text.txt", seed=9)
    assert "the texts are different" in refused(*resume)


@pytest.mark.parametrize("name", ["training.json", "optimizer.safetensors", "model.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "gone", "other"])
def test_a_damaged_checkpoint(name, damage, text, tmp_path, refused):
    out = tmp_path / "out"
    assert train(text, "--out", out, *SHORT, *EXACT) == 0
    folder = out / "checkpoints" / "step-000012"
    others = {
        "training.json": b'{"step": "12", "run": []}',
        "optimizer.safetensors": (folder / "model.safetensors").read_bytes(),
        "model.safetensors": (folder / "optimizer.safetensors").read_bytes(),
    }
    whole = (folder / name).read_bytes()
    (folder / name).unlink()
    if damage != "gone":
        (folder / name).write_bytes(whole[: len(whole) // 2] if damage == "cut" else others[name])
    assert "step-000012" in refused(text, "--out", out, *SHORT, *EXACT, "--resume")


def test_weights_that_a_step_ruined_are_not_kept(text, tmp_path, refused):
    out = tmp_path / "out"
    options = (text, "--out", out, *SHAPE, *EXACT, "--batch-size", "4", "--save-every", "1", "--warmup-steps", "0")
    for steps in ("9", "1"):
        line = refused(*options, "--learning-rate", "1e30", "--steps", steps)
        assert "step 2: the loss is nan; there is no checkpoint yet; try a smaller --learning-rate" in line
        assert not (out / "model.safetensors").exists()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number(wrong, text, tmp_path, refused, monkeypatch):
    options = (text, *SHORT, *EXACT, "--save-every", "2", "--keep", "9")
    assert train(*options, "--out", tmp_path / "whole") == 0
    out, seen = tmp_path / "out", []
    forward = TrainedModel.forward

    def wrong_from_the_seventh_step(model, inputs, targets):
        seen.append(model.training and torch.is_grad_enabled())
        return forward(model, inputs, targets) * (wrong if sum(seen) > 6 else 1.0)

    with monkeypatch.context() as patch:
        patch.setattr(TrainedModel, "forward", wrong_from_the_seventh_step)
        line = refused(*options, "--out", out)
    assert f"step 7: the loss is {wrong}" in line
    assert f"the last good checkpoint is {out / 'checkpoints' / 'step-000006'};" in line
    assert len(losses(out)) == 6
    assert train(*options, "--out", out, "--resume") == 0
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


RUINED = ("--learning-rate", "1e30", "--warmup-steps", "0")  # the loss of step 2 is nan


def test_a_failed_training_leaves_nothing_that_it_made(text, tmp_path, refused):
    too_short = tmp_path / "short.txt"
    too_short.write_text("a short text")
    new = tmp_path / "a" / "b" / "out"
    assert "needs 17: give more text" in refused(too_short, "--out", new, *SHORT)
    assert "there is no checkpoint yet" in refused(text, "--out", new, *SHORT, *EXACT, *RUINED)
    assert not (tmp_path / "a").exists()


def test_a_failed_training_leaves_what_was_there(text, tmp_path, refused):
    out = tmp_path / "out"
    (out / "checkpoints").mkdir(parents=True)
    (out / "notes.txt").write_text("precious")
    (out / "checkpoints" / "notes.txt").write_text("precious")
    refused(text, "--out", out, *SHORT, *EXACT, *RUINED)
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*")) == [
        "checkpoints", "checkpoints/notes.txt", "notes.txt",
    ]  # fmt: skip
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(text, "--out", empty, *SHORT, *EXACT, *RUINED)
    assert list(empty.iterdir()) == []


def test_a_record_that_cannot_be_written_leaves_nothing(text, tmp_path, refused, monkeypatch):
    replace = Path.replace

    def full_for_the_record(path, target):
        if target.name == "losses.csv":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", full_for_the_record)
    assert "losses.csv: cannot be written" in refused(text, "--out", tmp_path / "out", *SHORT, *EXACT)
    assert not (tmp_path / "out").exists()


def test_a_validation_that_is_no_number(text, tmp_path, refused, monkeypatch):
    monkeypatch.setattr(TrainedModel, "log_probabilities", lambda _, ids: [float("nan")] * (len(ids) - 1))
    line = refused(text, "--valid", write_text(tmp_path / "valid.txt", seed=3), "--out", tmp_path / "out", *SHORT)
    assert "step 13: the log-probability of token" in line
    assert "step-000008" in line


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_full_disk(text, tmp_path, refused):
    import resource  # noqa: PLC0415  Windows has none

    out = tmp_path / "out"
    options = (text, "--out", out, *SHAPE, *EXACT, "--steps", "12", "--batch-size", "4", "--save-every", "6")
    assert train(*options) == 0
    remove(out / "checkpoints" / "step-000012")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # bytes a file; the weights need twice that
    try:
        line = refused(*options, "--resume")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "step-000012: cannot be written" in line
    assert {path.name for path in (out / "checkpoints").iterdir()} == {"step-000006", "vocabulary"}
    assert train(*options, "--resume") == 0


def remove(folder):
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_a_folder_that_cannot_be_made(text, tmp_path, refused):
    (tmp_path / "file").touch()
    assert "file" in refused(text, "--out", tmp_path / "file" / "out", *SHORT)


def test_a_vocabulary_of_no_use(text, tmp_path, refused):
    assert "no such" in refused(text, "--vocab", tmp_path / "none", "--out", tmp_path / "out", *SHORT)
    folder = write_tiny_model(tmp_path / "tiny")
    ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    ids["other"] = ids.pop("<|endoftext|>")
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    assert "no <|endoftext|>" in refused(text, "--vocab", folder, "--out", tmp_path / "out", *SHORT)


def test_the_vocabulary_of_another_model(text, tmp_path, refused):
    assert train(text, "--out", tmp_path / "first", *SHORT, *EXACT) == 0
    folder = write_tiny_model(tmp_path / "tiny")
    line = refused(text, "--from", folder, "--vocab", tmp_path / "first", "--out", tmp_path / "out")
    assert "they do not belong together" in line


def test_a_text_to_validate_on_that_is_trained_on(text, tmp_path, refused):
    assert "is a training text too" in refused(text, "--valid", text, "--out", tmp_path / "out", *SHORT)


def test_a_model_to_go_on_from_of_another_shape(text, tmp_path, refused):
    folder = write_tiny_model(tmp_path / "tiny")
    assert "--n-embd 15: the model in" in refused(text, "--from", folder, "--out", tmp_path / "out", "--n-embd", "15")
    assert "no such folder" in refused(text, "--from", tmp_path / "none", "--out", tmp_path / "out", *SHORT)


def test_without_the_libraries(text, tmp_path, refused, monkeypatch):
    monkeypatch.setattr(starport, "training", starport.training)  # the package is made anew below, and then forgotten
    for name in [name for name in sys.modules if name.startswith("starport.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    line = refused(text, "--out", tmp_path / "out", *SHORT)
    assert "training needs PyTorch" in line
    assert "pip install '.[train]'" in line
