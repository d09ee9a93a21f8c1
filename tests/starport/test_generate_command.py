"""`run_gpt2.py` as a program: what it prints, and one clear line for every error."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from starchart import GPT2, Tokenizer
from starchart.generation.fingerprint import fingerprint
from starport.cli import main
from tests.children import started
from tests.tiny_model import write_tiny_model

ROOT = Path(__file__).resolve().parents[2]
RUN = [sys.executable, str(ROOT / "run_gpt2.py")]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_tiny_model(tmp_path_factory.mktemp("tiny"), seed=5, n_positions=40))


@pytest.fixture
def run(tmp_path):
    def run_command(*arguments, stdin=b"", **variables):
        environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "empty"), **variables}
        return subprocess.run(
            [*RUN, *arguments], input=stdin, capture_output=True, env=environment, check=False, timeout=60
        )

    return run_command


def complaint(done):
    """Return the one line that a refusal consists of."""
    assert done.returncode == 2, done.stderr.decode()
    assert done.stdout == b""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_text_and_json_agree(run, model):
    arguments = ["Hello", "--model", model, "--seed", "3", "--max-new-tokens", "8"]
    report = json.loads(run(*arguments, "--json").stdout)
    assert run(*arguments).stdout.decode() == "Hello" + report["text"] + "\n"
    assert run(*arguments, "--no-echo").stdout.decode() == report["text"] + "\n"


@pytest.mark.parametrize(("engine", "precision"), [("reference", "full"), ("packed", "full"), ("packed", "fast")])
def test_json_says_what_happened(run, model, engine, precision):
    engine_options = ["--engine", engine, "--precision", precision]
    report = json.loads(
        run("Hello", "--model", model, "--seed", "3", "--max-new-tokens", "8", "--json", *engine_options).stdout
    )
    tokenizer, gpt2 = Tokenizer.from_pretrained(model), GPT2.from_pretrained(model, engine, precision=precision)
    ids = tokenizer.encode("Hello")
    new = list(gpt2.generate(ids, max_new_tokens=8, temperature=0.8, top_k=40, seed=3))
    assert report["prompt_ids"] == ids
    assert report["generated_ids"] == new
    assert report["text"] == tokenizer.decode(new)
    assert report["fingerprint"] == fingerprint(gpt2.logits([*ids, *new[:-1]], last_only=True)[0])
    assert (report["finish_reason"], report["seed"], report["prompt"]) == ("length", 3, "Hello")
    assert report["model"] == model
    assert (report["engine"], report["precision"], report["workers"]) == (engine, precision, 1)
    assert report["settings"] == {
        "max_new_tokens": 8, "temperature": 0.8, "top_k": 40, "top_p": 1.0, "stop": [], "on_full": "stop",
    }  # fmt: skip
    assert set(report["seconds"]) == {"load", "prefill", "decode"}
    assert report["tokens_per_second"] == 7 / report["seconds"]["decode"]
    assert 0 < report["seconds"]["decode"] < 60


def test_the_default_engine_is_packed(run, model):
    report = json.loads(run("Hello", "--model", model, "--max-new-tokens", "1", "--json").stdout)
    assert (report["engine"], report["precision"]) == ("packed", "full")


def test_a_random_seed_is_printed_and_repeats_the_text(run, model):
    first = run("Hello", "--model", model, "--max-new-tokens", "12")
    seed = first.stderr.decode().rsplit("seed ", 1)[1].strip()
    assert run("Hello", "--model", model, "--max-new-tokens", "12", "--seed", seed).stdout == first.stdout


def test_the_likeliest_token_needs_no_seed(run, model):
    done = run("Hello", "--model", model, "--max-new-tokens", "3", "--temperature", "0")
    assert done.stderr.decode() == f"model {Path(model).name} from the folder {model}; packed engine\n"


@pytest.mark.parametrize(
    ("arguments", "stdin", "prompt"),
    [
        ([], b"piped\n", "piped"),
        (["-"], b"piped\r\n", "piped"),
        (["-"], b"two lines\n\n", "two lines\n"),
        ([], b"", ""),
        ([""], b"ignored", ""),
        (["given"], b"ignored", "given"),
        (["--", "--my_dash"], b"", "--my_dash"),
        (["\u00e9\U0001f600"], b"", "\u00e9\U0001f600"),
    ],
    ids=repr,
)
def test_prompts(run, model, arguments, stdin, prompt):
    done = run("--model", model, "--max-new-tokens", "1", "--json", *arguments, stdin=stdin)
    report = json.loads(done.stdout)
    assert report["prompt"] == prompt
    assert report["prompt_ids"] == (Tokenizer.from_pretrained(model).encode(prompt) or [260])  # 260 is <|endoftext|>


def test_stop_text_ends_before_it(run, model):
    arguments = ["Hello", "--model", model, "--seed", "1", "--max-new-tokens", "20", "--top-k", "0", "--json"]
    text = json.loads(run(*arguments).stdout)["text"]
    stop = text[3:5]
    report = json.loads(run(*arguments, "--stop", "never there", "--stop", stop).stdout)
    assert report["finish_reason"] == "stop"
    assert report["text"] == text[: text.index(stop)]
    assert len(report["generated_ids"]) < 20


def test_context_stops_or_slides(run, model):
    arguments = ["x" * 39, "--model", model, "--max-new-tokens", "9", "--seed", "2", "--json"]
    stopped = json.loads(run(*arguments).stdout)
    assert (stopped["finish_reason"], len(stopped["generated_ids"])) == ("context", 2)
    slid = json.loads(run(*arguments, "--on-full", "slide").stdout)
    assert (slid["finish_reason"], len(slid["generated_ids"])) == ("length", 9)
    assert slid["generated_ids"][:2] == stopped["generated_ids"]


def test_end_of_text_ends_and_is_not_printed(run, tmp_path):
    model = write_tiny_model(tmp_path / "m", seed=5, n_positions=40)
    ids = json.loads(run("Hello", "--model", str(model), "--seed", "3", "--json").stdout)["generated_ids"]
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "eos_token_id": [ids[4], 259]}))
    report = json.loads(run("Hello", "--model", str(model), "--seed", "3", "--json").stdout)
    cut = ids.index(ids[4])
    assert report["finish_reason"] == "end_of_text"
    assert report["generated_ids"] == ids[: cut + 1]
    assert report["text"] == Tokenizer.from_pretrained(model).decode(ids[:cut])


def test_underscores_do_for_dashes(run, model):
    assert run("Hi", "--model", model, "--max_new_tokens=3", "--top_k", "5", "--json").returncode == 0


def test_gpt2_is_found_in_the_hugging_face_cache(run, tmp_path):
    repository = tmp_path / "hub" / "models--openai-community--gpt2"
    write_tiny_model(repository / "snapshots" / "abc123", seed=5)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")
    for name in ([], ["--model", "gpt2"], ["--model", "openai-community/gpt2"]):
        done = run("Hi", "--max-new-tokens", "2", *name, HF_HUB_CACHE="", HF_HOME=str(tmp_path))
        assert done.returncode == 0
        assert b"gpt2" in done.stderr
        assert b"Hugging Face cache" in done.stderr


def test_without_gpt2_the_model_in_the_box_tells_a_tale(run, tmp_path):
    done = run("Hi", "--max-new-tokens", "5", STARCHART_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0
    assert done.stdout.startswith(b"Hi")
    (line,) = done.stderr.splitlines()
    reason = b"gpt2 is not in the Hugging Face cache and cannot be downloaded: HF_HUB_OFFLINE is set"
    assert line.startswith(b"model towel from the box, as " + reason + b"; packed engine; seed ")


def test_a_model_that_is_not_there_gets_one_line_that_says_how_to_get_it(run):
    line = complaint(run("Hi", "--model", "gpt2"))
    assert "--model DIR" in line
    assert "HF_HUB_OFFLINE is set" in line


def test_a_prompt_that_is_not_utf8(run, model):
    assert "UTF-8" in complaint(run("--model", model, stdin=b"caf\xe9"))
    if os.name == "posix":
        assert "UTF-8" in complaint(run(b"caf\xe9", "--model", model))


@pytest.mark.parametrize("damage", ["config", "weights", "vocabulary", "mismatch", "empty"])
def test_a_damaged_folder(run, tmp_path, damage):
    model = write_tiny_model(tmp_path / "m", vocab_size=500 if damage == "mismatch" else 261)
    files = {"config": "config.json", "weights": "model.safetensors", "vocabulary": "vocab.json"}
    if damage in files:
        file = model / files[damage]
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif damage == "empty":
        for file in model.iterdir():
            file.unlink()
    line = complaint(run("Hi", "--model", str(model)))
    assert {"mismatch": "do not belong together", "empty": "m"}.get(damage, files.get(damage)) in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [[], ["--json"], ["--help"], ["--version"]], ids=str)
def test_a_full_disk(model, arguments, unbuffered):
    command = [*RUN, "Hi", "--model", model, *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, check=False, timeout=60)
    assert done.returncode == 2
    assert b"standard output: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX closes the streams")
def test_closed_streams(model):
    def run_with(closed):
        command = 'exec "$@" ' + closed
        arguments = [*RUN, "Hi", "--model", model, "--json", "--max-new-tokens", "2", "--seed", "1"]
        return subprocess.run(["sh", "-c", command, "sh", *arguments], capture_output=True, check=False, timeout=60)

    without_output = run_with(">&-")
    assert without_output.returncode == 2
    assert without_output.stderr == b"starchart: standard output is closed; there is nowhere to write to\n"
    command = ["sh", "-c", 'exec "$@" - <&-', "sh", *RUN]
    without_input = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert "standard input is closed" in complaint(without_input)
    without_errors = run_with("2>&-")
    assert without_errors.returncode == 0
    assert len(json.loads(without_errors.stdout)["generated_ids"]) == 2


@pytest.mark.skipif(os.name != "posix", reason="pipes close differently on Windows")
def test_a_closed_pipe_ends_silently(model):
    command = [*RUN, "Hi", "--model", model, "--on-full", "slide", "--max-new-tokens", "100000", "--seed", "1"]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.read(3)
        running.stdout.close()
        errors = running.stderr.read()
        assert running.wait(timeout=30) == 0
    assert len(errors.splitlines()) == 1  # the line that names the model, nothing more


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_nobody_listens_on_standard_error(model):
    command = [*RUN, "Hi", "--model", model, "--max-new-tokens", "2", "--seed", "1", "--json"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, check=False, timeout=60)
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["generated_ids"]) == 2


def test_a_padded_vocabulary(run, tmp_path):
    # The 127 ids above the vocabulary are no text; transformers decodes them to nothing too.
    model = str(write_tiny_model(tmp_path / "m", seed=5, vocab_size=261 + 127, n_positions=40))
    report = json.loads(
        run("Hello", "--model", model, "--seed", "1", "--top-k", "0", "--temperature", "9", "--json").stdout
    )
    ids = report["generated_ids"]
    assert any(token >= 261 for token in ids)
    assert report["text"] == Tokenizer.from_pretrained(model).decode([token for token in ids if token < 260])
    model = str(write_tiny_model(tmp_path / "n", seed=5, vocab_size=261 + 128))
    assert "do not belong together" in complaint(run("Hello", "--model", model))


def test_an_error_before_the_first_token_prints_no_text(run, model):
    done = run("Hi", "--model", model, "--temperature", "1e-40")
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"temperature 1e-40" in done.stderr


@pytest.mark.parametrize("scale", [1e160, 1e200, 1e300])
def test_weights_so_large_that_the_numbers_overflow(run, tmp_path, scale):
    model = str(write_tiny_model(tmp_path / "m", dtype="F64", scale=scale))
    for engine in ("packed", "reference"):
        done = run("Hi", "--model", model, "--engine", engine, "--json")
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"huge weights" in done.stderr.splitlines()[-1]


def test_no_memory(monkeypatch, capsys, model):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(GPT2, "from_pretrained", fail)
    assert main(["generate", "Hi", "--model", model]) == 2
    assert "not enough memory" in capsys.readouterr().err


def test_starport_runs_as_a_module_from_a_bare_clone():
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "starport", "--version"]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, check=True, timeout=60)
    assert done.stdout.startswith(b"starchart 0.")


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C cannot be sent to one process on Windows")
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.5])
def test_ctrl_c(model, delay):
    command = [*RUN, "Hi", "--model", model, "--on-full", "slide", "--max-new-tokens", "100000", "--seed", "1"]
    with started(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        assert b"seed 1" in running.stderr.readline()  # the model is loaded, the text begins
        time.sleep(delay)
        running.send_signal(signal.SIGINT)
        assert running.stderr.read() == b""
        assert running.wait(timeout=30) == 130
