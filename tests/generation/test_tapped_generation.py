"""A tap during generation: it sees every step, makes its changes, and changes nothing else."""

import pytest

from starchart.engines import reference
from starchart.engines.packed.arithmetic.lanes import FAST
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.errors import TapError
from starchart.generation.sampling import SamplingSettings
from starchart.gpt2 import GPT2
from starchart.tap import Changes, Recording
from starport.engines.torch_engine import TorchEngine
from tests.numpy_engine import NumpyEngine
from tests.tiny_model import write_tiny_model

PROMPT = [84, 104, 101, 32]
ENGINES = {
    "reference": lambda: reference,
    "packed": lambda: PackedEngine(workers=2),
    "fast": lambda: PackedEngine(FAST),
    "numpy": NumpyEngine,
    "torch": lambda: TorchEngine(dtype="float64"),
}


@pytest.fixture(params=ENGINES)
def gpt2(request, tmp_path):
    folder = write_tiny_model(tmp_path, seed=2, n_positions=24, eos_token_id=None)
    with GPT2.from_pretrained(folder, ENGINES[request.param]()) as gpt2:
        yield gpt2


def doubled(value):
    return [doubled(part) for part in value] if isinstance(value, list) else 2 * value


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"seed": 4}, {"seed": 4, "top_k": 7}], ids=str)
def test_a_tap_that_only_looks_changes_no_token(gpt2, settings):
    settings |= {"max_new_tokens": 40, "on_full": "slide"}
    tapped = list(gpt2.generate(PROMPT, tap=Recording(), **settings))
    assert tapped == list(gpt2.generate(PROMPT, **settings))
    assert len(tapped) == 40


def test_the_same_names_at_each_step_of_one_token_each(gpt2):
    seen, tokens = [], []

    def look(name, value):
        if name in ("h.1.attn.pattern", "logits"):
            seen.append((name, [len(row) for row in (value[0] if name != "logits" else value)]))
        return value

    for step in gpt2.steps(PROMPT, SamplingSettings(temperature=0), max_new_tokens=3, tap=look):
        tokens.append(step.token)
    widths = {"h.1.attn.pattern": [[4] * 4, [5], [6]], "logits": [[261]] * 3}
    assert seen == [(name, widths[name][step]) for step in range(3) for name in ("h.1.attn.pattern", "logits")]


def test_a_recording_holds_the_last_step_and_can_be_read_at_each(gpt2):
    recording, rows = Recording("logits", "h.0.attn.q"), []
    for step in gpt2.steps(PROMPT, SamplingSettings(temperature=0), max_new_tokens=4, tap=recording):
        rows.append(recording["logits"])
        assert step.logits == rows[-1][0]
        assert step.token == rows[-1][0].index(max(rows[-1][0]))
        assert {len(head) for head in recording["h.0.attn.q"]} == {4 if len(rows) == 1 else 1}
    assert len(rows) == 4
    assert rows[0] != rows[1] != rows[2]
    assert recording["logits"] == rows[-1]


def test_a_change_is_made_at_each_step(gpt2):
    plain = list(gpt2.generate(PROMPT, max_new_tokens=9, temperature=0))
    cut = {"logits": lambda rows: [[*row[:65], 1e3, *row[66:]] for row in rows]}
    with Changes(cut) as tap:
        assert list(gpt2.generate(PROMPT, max_new_tokens=9, temperature=0, tap=tap)) == [65] * 9
    with Changes({"h.0.mlp.act": doubled, "h.1.attn.z": doubled}) as tap:
        changed = list(gpt2.generate(PROMPT, max_new_tokens=9, temperature=0, tap=tap))
    ids = [*PROMPT]
    for _ in range(9):  # by reading all of the text anew for each token
        with Changes({"h.0.mlp.act": doubled, "h.1.attn.z": doubled}) as tap:
            row = gpt2.logits(ids, last_only=True, tap=tap)[0]
        ids.append(row.index(max(row)))
    assert changed == ids[len(PROMPT) :] != plain


def test_a_name_that_never_ran_is_an_error_at_the_end_of_the_block_only(gpt2):
    tokens = []
    with pytest.raises(TapError, match=r"no value in this block is called h\.7\.mlp\.act;"):  # noqa: SIM117
        with Changes({"h.7.mlp.act": doubled}) as tap:
            tokens += gpt2.generate(PROMPT, max_new_tokens=5, temperature=0, tap=tap)
    assert len(tokens) == 5
    with pytest.raises(TapError, match="no value in this block is called wte;"), Changes({"wte": doubled}) as tap:
        gpt2.generate(PROMPT, tap=tap)  # nothing is computed before a token is asked for


def test_a_wrong_shape_in_a_later_step(gpt2):
    first = gpt2.steps(PROMPT, SamplingSettings(temperature=0), tap=lambda name, value: value * 2 if bad else value)
    bad = False
    next(first)
    bad = True
    with pytest.raises(TapError, match=r"a value of shape \[2, 12\] for wte; it must have the shape \[1, 12\]"):
        next(first)
