"""`run_gpt2.py --model x.gguf`: the same text as from its source folder, and one line for other models."""

import json
import subprocess
import sys

import pytest

from tests.checkpoints.gguf.raw_gguf import gguf_file
from tests.house.source_tree import ROOT
from tests.tiny_model import write_tiny_model

pytest.importorskip("gguf")
from tests.checkpoints.gguf.write_gguf import write_gguf


def run(*arguments):
    command = [sys.executable, str(ROOT / "run_gpt2.py"), "Once", "--max-new-tokens", "8", "--seed", "3", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("engine", ["packed", "reference", "torch"])
def test_every_engine_says_what_it_says_of_the_folder(engine, tmp_path):
    folder = write_tiny_model(tmp_path / "folder", seed=5, n_embd=24)
    (tmp_path / "alone").mkdir()
    path = write_gguf(tmp_path / "alone" / "x.gguf", folder)
    options = (
        ["--engine", engine, "--json"]
        if engine != "torch"
        else ["--engine", engine, "--precision", "float64", "--json"]
    )
    # The second time its packed form is there already.
    models = [folder, path, path, path.parent] if engine == "packed" else [folder, path]
    done = [run("--model", str(model), *options) for model in models]
    assert [one.returncode for one in done] == [0] * len(models), done
    reports = [json.loads(one.stdout) for one in done]
    for key in ("prompt_ids", "generated_ids", "text", "finish_reason", "fingerprint"):
        assert len({str(report[key]) for report in reports}) == 1


def test_another_model_is_refused_in_one_line(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(gguf_file(architecture="llama"))
    done = run("--model", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "is a model of type 'llama' (general.architecture); only 'gpt2' can be read" in done.stderr
