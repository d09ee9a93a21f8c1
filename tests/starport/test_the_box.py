"""The model in the box: complete, small, and found by its name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from starchart import GPT2, Tokenizer
from starchart.box.boxed_model import model_folder
from starchart.checkpoints.checkpoint import read_config

ROOT = Path(__file__).resolve().parents[2]
TOWEL = model_folder("towel")
TEXT = "Once upon a time there was a king who had three daughters, and the youngest of them said:"


def test_what_is_in_the_box():
    assert {file.name for file in TOWEL.iterdir()} == {
        *("config.json", "generation_config.json", "model.safetensors", "vocab.json", "merges.txt", "README.md"),
    }
    assert (TOWEL / "model.safetensors").stat().st_size <= 9_000_000
    assert read_config(TOWEL).n_positions >= 512


def test_transformers_computes_the_same():
    theirs = AutoModelForCausalLM.from_pretrained(TOWEL, dtype=torch.float64, attn_implementation="eager")
    ids = AutoTokenizer.from_pretrained(TOWEL)(TEXT).input_ids
    assert Tokenizer.from_pretrained("towel").encode(TEXT) == ids
    with torch.no_grad():
        expected = theirs(torch.tensor([ids])).logits[0]
    with GPT2.from_pretrained("towel") as gpt2:
        ours = torch.tensor(gpt2.logits(ids), dtype=torch.float64)
    assert (ours - expected).abs().max().item() <= 1e-10  # as in tests/model: 2^-53 of about 10, a thousand times


def test_it_knows_english():
    with GPT2.from_pretrained("towel", "packed", workers=1) as gpt2:
        tokenizer = Tokenizer.from_pretrained("towel")
        row = gpt2.logits(tokenizer.encode("Once upon a time there was a"), last_only=True)[0]
        likeliest = sorted(range(len(row)), key=row.__getitem__, reverse=True)[:20]
    words = {tokenizer.decode([token]) for token in likeliest}
    assert words & {" king", " man", " poor", " woman"}


@pytest.mark.parametrize("arguments", [[], ["--model", "towel"]])
def test_a_fresh_machine_tells_a_tale(arguments, tmp_path):
    command = [sys.executable, str(ROOT / "run_gpt2.py"), "Once upon a time", *arguments, "--seed", "1", "--json"]
    variables = {
        "HOME": str(tmp_path),
        "PATH": os.environ.get("PATH", ""),
        "SYSTEMROOT": os.environ.get("SYSTEMROOT", ""),
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["generated_ids"]) == 60 or report["finish_reason"] == "end_of_text"
    (line,) = done.stderr.splitlines()
    assert line.startswith("model towel from the box" + (", as gpt2 is not in" if not arguments else ";"))
