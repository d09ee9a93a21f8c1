"""Lens, contributions, ablation and patching against TransformerLens, in float64, on real weights.

TransformerLens needs another NumPy than the rest, so it has an environment of its own:

    python3 -m venv .venv-transformer-lens
    .venv-transformer-lens/bin/pip install -r tests/lens/requirements-transformer-lens.txt
    .venv/bin/python -m pytest -m slow tests/lens

Another place is named by the variable STARCHART_TRANSFORMER_LENS: the path of its Python.
"""

import json
import os
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from starchart import GPT2, Tokenizer
from starchart.lens import ablate_feed_forward, ablate_heads, contributions, logit_lens, patch_residual
from tests.data import shared
from tests.house.source_tree import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
PYTHON = Path(
    os.environ.get("STARCHART_TRANSFORMER_LENS") or ROOT / ".venv-transformer-lens" / "bin" / "python"
)  # fmt: skip
SCRIPT = Path(__file__).with_name("transformer_lens_values.py")
CLOSE = 1e-10  # both compute in doubles, logits of some 10, a few thousand roundings deep
ASKED = {"layer": 2, "head": 1}


@pytest.fixture(scope="module")
def folder():
    return shared("models/tales-6m")


@pytest.fixture(scope="module")
def asked(folder):
    tokenizer = Tokenizer.from_pretrained(folder)
    clean, corrupt = (tokenizer.encode(f"Once the {who} met a") for who in ("king", "queen"))
    assert len(clean) == len(corrupt)
    (answer,), (wrong,) = tokenizer.encode(" man"), tokenizer.encode(" little")
    return {**ASKED, "clean": clean, "corrupt": corrupt, "answer": answer, "wrong": wrong}


@pytest.fixture(scope="module")
def theirs(folder, asked):
    if not PYTHON.exists():
        pytest.skip(f"TransformerLens is not here: {PYTHON}")
    done = subprocess.run(
        [str(PYTHON), str(SCRIPT), str(folder), json.dumps(asked)],
        capture_output=True, check=False, timeout=900, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout.decode().splitlines()[-1])


@pytest.fixture(scope="module")
def gpt2(folder):
    with GPT2.from_pretrained(folder) as opened:
        yield opened


def far(ours, others):
    """Return the largest difference between nested lists of numbers of equal shape."""
    if isinstance(ours, float):
        return abs(ours - others)
    return max(far(a, b) for a, b in zip(ours, others, strict=True))


def test_the_lens(gpt2, asked, theirs):
    assert far(gpt2.logits(asked["clean"]), theirs["logits"]) < CLOSE
    for position in (0, len(asked["clean"]) - 1):
        for point, row in logit_lens(gpt2, asked["clean"], position).items():
            assert far(row, theirs["lens"][point][position]) < CLOSE, (point, position)


def test_contributions(gpt2, asked, theirs):
    ours = defaultdict(float)
    for part in contributions(gpt2, asked["clean"], asked["answer"]):
        ours[label(part)] += part.value
    assert ours.pop("b_U") == pytest.approx(theirs["b_U"], rel=0, abs=CLOSE)
    assert ours.keys() == theirs["contributions"].keys()
    for name, value in ours.items():
        assert abs(value - theirs["contributions"][name]) < CLOSE, name


def label(part):
    """Return the name that TransformerLens has for a part; it adds the biases of attention up."""
    block = part.name.partition(".")[2].partition(".")[0]
    if part.head is not None:
        return f"L{block}H{part.head}"
    if part.name.endswith("mlp.c_proj"):
        return f"{block}_mlp_out"
    return {"wte": "embed", "wpe": "pos_embed", "ln_f.bias": "b_U"}.get(part.name, "bias")


def test_ablation(gpt2, asked, theirs):
    ids = asked["clean"]
    assert far(ablate_heads(gpt2, ids, [(asked["layer"], asked["head"])]), theirs["without_head"]) < CLOSE
    assert far(ablate_feed_forward(gpt2, ids, [asked["layer"]]), theirs["without_network"]) < CLOSE


@pytest.mark.parametrize("kind", ["resid_pre", "resid_mid", "attn.c_proj", "mlp.c_proj"])
def test_patching(gpt2, asked, theirs, kind):
    ours = patch_residual(gpt2, *(asked[name] for name in ("clean", "corrupt", "answer", "wrong")), kind)
    assert far(ours, theirs["patched"][kind]) < CLOSE
    assert len({round(effect, 6) for row in ours for effect in row}) > 6  # it does something
