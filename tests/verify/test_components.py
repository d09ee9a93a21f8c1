"""Each component passes on a tiny model; if an operation is broken, its check fails and names it."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from starchart.layers import scaled_dot_product_attention as attention_file
from starchart.layers.key_value_cache import KeyValueCache
from starchart.model.config import GPT2Config
from starport.engines.torch_engine import TorchEngine
from starport.verify import embeddings, engines, generation, model, runs
from starport.verify.rounding_engine import RoundingEngine
from starport.verify.run_checks import run_component
from tests.tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("tiny"), seed=6)


@pytest.fixture(autouse=True)
def _forget_runs():
    yield
    runs.reference_values.cache_clear()


@pytest.fixture
def _quickly(monkeypatch):
    """Less of everything, for the tests that break an operation."""
    monkeypatch.setattr(engines, "KINDS", engines.KINDS[2:])  # those of torch
    monkeypatch.setattr(engines, "LONG", 20)
    monkeypatch.setattr(generation, "MANY", generation.MANY[:3])
    monkeypatch.setattr(generation, "DRAWS", 60)
    monkeypatch.setattr(model, "STAND_INS", dict(list(model.STAND_INS.items())[:2]))


def failed(component, folder):
    return {check.name: check.finding for check in run_component(component, folder) if not check.passed}


@pytest.mark.parametrize("component", ["embeddings", "layers", "model", "engines", "generation", "tokenizer"])
def test_everything_passes(folder, component):
    checks = list(run_component(component, folder))
    assert [check.finding for check in checks if not check.passed] == []
    assert len({check.name for check in checks}) == len(checks) >= 3
    assert {check.component for check in checks} == {component}
    assert all("\n" not in check.finding for check in checks)


@pytest.mark.usefixtures("_quickly")
def test_a_row_that_is_not_the_one_asked_for(folder, monkeypatch):
    monkeypatch.setattr(embeddings, "embed", lambda ids, table: [table[i - 1] for i in ids])
    assert set(failed("embeddings", folder)) == {"lookup"}


@pytest.mark.usefixtures("_quickly")
def test_positions_that_forget_the_cache(folder, monkeypatch):
    real = embeddings.input_embeddings
    monkeypatch.setattr(embeddings, "input_embeddings", lambda ids, first, *rest: real(ids, 0, *rest))
    assert set(failed("embeddings", folder)) == {"sum"}


@pytest.mark.usefixtures("_quickly")
def test_logits_of_the_first_token_for_the_last(folder, monkeypatch):
    real = embeddings.output_projection
    wrong = lambda x, table, last_only: real(x, table, False)[: 1 if last_only else None]  # noqa: E731
    monkeypatch.setattr(embeddings, "output_projection", wrong)
    assert set(failed("embeddings", folder)) == {"output projection"}


@pytest.mark.usefixtures("_quickly")
def test_scores_that_are_not_scaled(folder, monkeypatch):
    real = attention_file.attention_scores
    monkeypatch.setattr(attention_file, "attention_scores", lambda q, k, scale: real(q, k, 1.0))
    assert set(failed("layers", folder)) == {
        "scaled_dot_product_attention",
        "multi_head_attention",
        "transformer_block",
    }


@pytest.mark.usefixtures("_quickly")
def test_a_cache_that_keeps_the_first_key_only(folder, monkeypatch):
    real = KeyValueCache.append
    monkeypatch.setattr(KeyValueCache, "append", lambda cache, k, v: real(cache, [[h[0]] * len(h) for h in k], v))
    assert set(failed("layers", folder)) == {"multi_head_attention", "transformer_block"}


@pytest.mark.usefixtures("_quickly")
def test_the_model_names_the_first_value_that_is_off(folder, monkeypatch):
    monkeypatch.setattr(GPT2Config, "attention_scale", lambda config, layer: 0.4)
    found = failed("model", folder)
    assert "first beyond 1e-12: h.0.attn.scores" in found["every value"]
    assert "weights" not in found


@pytest.mark.usefixtures("_quickly")
def test_engines_name_the_operation_that_is_broken(folder, monkeypatch):
    monkeypatch.setattr(TorchEngine, "activation", lambda engine, x, name: torch.nn.functional.gelu(x))
    found = failed("engines", folder)
    assert set(found) == {f"torch {width}{text}" for width in ("float64", "float32") for text in ("", ", 20 tokens")}
    assert all(": h.0.mlp.act," in finding for finding in found.values())


@pytest.mark.usefixtures("_quickly")
def test_engines_that_take_another_way_without_a_tap(folder, monkeypatch):
    monkeypatch.setattr(TorchEngine, "_fused", lambda engine, q, k, v, scale: q)
    assert "different logits with a tap" in failed("engines", folder)["torch float64"]


@pytest.mark.usefixtures("_quickly")
def test_a_top_k_that_keeps_one_more(folder, monkeypatch):
    from starchart.generation import sampling  # noqa: PLC0415

    real = sampling.top_k
    monkeypatch.setattr(sampling, "top_k", lambda row, k: real(row, min(k + 1, len(row))))
    monkeypatch.setattr(sampling, "_near_the_top", lambda row, k: range(len(row)))
    assert "draws" in failed("generation", folder)


@pytest.mark.usefixtures("_quickly")
def test_an_operation_that_breaks_down_fails_its_own_check(folder, monkeypatch):
    monkeypatch.setattr(embeddings, "embed", lambda ids, table: table[len(table)])
    assert failed("embeddings", folder) == {"lookup": "breaks down: IndexError: list index out of range"}


@pytest.mark.usefixtures("_quickly")
def test_a_filter_that_leaves_no_token_is_named(folder, monkeypatch):
    from starchart.generation import sampling  # noqa: PLC0415

    monkeypatch.setattr(sampling, "top_p", lambda row, *rest: [])
    found = failed("generation", folder)
    assert found["tokens"].startswith("temperature 0.8, top-k 40, top-p 0.95, seed 42: breaks down in ")
    assert "first" in found["draws"]


@pytest.mark.usefixtures("_quickly")
def test_texts_that_the_tokenizer_cuts_elsewhere(folder, monkeypatch):
    from starchart.tokenizer import tokenizer as tokenizer_file  # noqa: PLC0415

    monkeypatch.setattr(tokenizer_file, "split_words", lambda piece: [piece])
    assert set(failed("tokenizer", folder)) == {"merges across every cut"}


@pytest.mark.usefixtures("_quickly")
@pytest.mark.parametrize(
    "lost", [lambda name: True, lambda name: name == "h.1.mlp.c_fc.bias", lambda name: name.startswith("h.0.")]
)
def test_weights_that_only_one_reader_sees(folder, monkeypatch, lost):
    real = model.stored_weights
    monkeypatch.setattr(
        model, "stored_weights", lambda place: {name: w for name, w in real(place).items() if not lost(name)}
    )
    assert "only by us or only by safetensors" in failed("model", folder)["weights"]


@pytest.mark.usefixtures("_quickly")
def test_a_weight_that_is_read_wrongly(folder, monkeypatch):
    real = model.stored_weights
    monkeypatch.setattr(model, "stored_weights", lambda place: real(place) | {"ln_f.bias": real(place)["ln_f.weight"]})
    assert failed("model", folder)["weights"].endswith("such as ln_f.bias")


def test_a_tied_head_that_the_file_holds_and_old_masks_are_no_fault(tmp_path):
    place = write_tiny_model(tmp_path)
    tensors = load_file(place / "model.safetensors")
    more = {"lm_head.weight": tensors["transformer.wte.weight"].clone(), "transformer.h.0.attn.bias": torch.ones(1, 1)}
    save_file(tensors | more, place / "model.safetensors", {"format": "pt"})
    assert model._weights(place, "weights").passed


def test_a_model_that_makes_small_changes_large_passes_and_coarser_rounding_does_not(tmp_path):
    wild = write_tiny_model(tmp_path, seed=1, n_embd=48, n_layer=3, scale=3.0)
    fast = engines.KINDS[1]
    check = engines._compare(fast, wild, runs.prompt(wild), fast.name, known=False)
    assert check.passed
    assert check.values["rounding_alone"]["nats"] > fast.nats > check.values["nats"]
    assert "fast is approximate" in check.finding
    coarse = replace(fast, engine=lambda _: RoundingEngine((20, 6)))
    assert "first beyond" in engines._compare(coarse, wild, runs.prompt(wild), fast.name, known=False).finding


@pytest.mark.parametrize("positions", [1, 2, 8])
def test_a_model_with_little_room(tmp_path, monkeypatch, positions):
    monkeypatch.setattr(engines, "KINDS", engines.KINDS[1:3])
    monkeypatch.setattr(engines, "LONG", 5)
    monkeypatch.setattr(generation, "MANY", generation.MANY[:1])
    monkeypatch.setattr(generation, "DRAWS", 5)
    little = write_tiny_model(tmp_path, n_positions=positions)
    assert failed("engines", little) | failed("generation", little) == {}
