"""The whole model: every value of every block against true values, with NumPy, PyTorch and transformers beside it."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from starchart.checkpoints.checkpoint import load_checkpoint, open_tensors
from starchart.checkpoints.stored_tensor import StoredTensor, rows_of
from starchart.gpt2 import GPT2
from starport.verify.check import Check, Measure, Value, attempt, short
from starport.verify.distance import BAR, OF_LARGEST, distance, distances, farthest, first_beyond, peers, same_bits
from starport.verify.numpy_gpt2 import numpy_gpt2, stored_weights
from starport.verify.runs import TRUTH_BITS, prompt, reference_values, true_values
from starport.verify.stand_ins import write_stand_in
from starport.verify.torch_gpt2 import torch_gpt2, transformers_gpt2

_HEAD = "lm_head.weight"
_NO_WEIGHTS = (".attn.bias", ".attn.masked_bias")  # masks in old files

# name -> (options of config.json, number of tokens)
STAND_INS: dict[str, tuple[dict[str, Any], int]] = {
    "odd sizes": ({}, 9),
    "in half precision": ({"dtype": "float16"}, 5),
    "one head, one token": ({"n_head": 1, "n_embd": 7, "n_inner": 9}, 1),
    "untied output, 3 blocks": ({"tie_word_embeddings": False, "n_layer": 3}, 5),
    "scale by block": ({"scale_attn_by_inverse_layer_idx": True, "n_layer": 3}, 5),
    "exact GELU, no scale": ({"activation_function": "gelu", "scale_attn_weights": False}, 5),
    "relu, wide epsilon": ({"activation_function": "relu", "layer_norm_epsilon": 0.3}, 5),
}


def checks(model: Path) -> Iterator[Check]:
    """Yield the checks of the model in this folder, and of small random models with other configurations."""
    yield attempt("model", "weights", _weights, model, "weights")
    yield attempt("model", "every value", _every_value, model, prompt(model), "every value")
    yield attempt("model", "logits in float32", _float32, model)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for seed, (name, (options, count)) in enumerate(STAND_INS.items()):
            stand_in = write_stand_in(folder / str(seed), seed, **options)
            ids = tuple((97 * n + 31 * seed) % 261 for n in range(count))
            yield attempt("model", f"random, {name}", _every_value, stand_in, ids, f"random, {name}")
        half = "weights in half precision"
        yield attempt("model", half, _weights, folder / "1", half)
        yield attempt("model", "log-probabilities", _log_probabilities, folder / "0")


def _weights(model: Path, name: str) -> Check:
    """Compare the weights that we read with those of the safetensors library: equal names and equal bits."""
    stored = {key: array for key, array in stored_weights(model).items() if not key.endswith(_NO_WEIGHTS)}
    _, tensors = open_tensors(model)
    tied = {_HEAD} - tensors.keys()  # a file may still contain it
    if missing := (stored.keys() - tied) ^ tensors.keys():
        finding = f"{len(missing)} tensors are read only by us or only by safetensors, such as {min(missing)}"
        return Check("model", name, False, finding, {"tensors": len(stored)})
    _, weights = load_checkpoint(model)
    different = [key for key, array in stored.items() if not same_bits(_leaf(weights, key), array)]
    count = sum(array.size for array in stored.values())
    finding = f"{len(stored)} tensors, {count:,} numbers: the same bits as the safetensors library reads"
    if different:
        finding = f"{len(different)} of {len(stored)} tensors differ from those of safetensors, such as {different[0]}"
    return Check("model", name, not different, finding, {"tensors": len(stored), "numbers": count})


def _leaf(weights: Any, name: str) -> Any:
    """Return the vector or the rows of the matrix called `name`: h.3.ln_1.bias."""
    if name == _HEAD and weights.lm_head is None:  # tied
        name = "wte.weight"
    for part in name.split("."):
        weights = weights[int(part)] if part.isdigit() else getattr(weights, part)
    return np.array(rows_of(weights)) if isinstance(weights, StoredTensor) else weights


def _every_value(model: Path, ids: tuple[int, ...], name: str) -> Check:
    """Compare all values of a run, and of the peers, with the true ones; and ours with those of each peer."""
    truth, ours = true_values(model, ids), reference_values(model, ids)
    runs: dict[str, Mapping[str, Any]] = {
        "NumPy": numpy_gpt2(model, ids),
        "PyTorch": torch_gpt2(model, ids),
        "transformers": transformers_gpt2(model, ids),
    }
    found = distances(ours, truth)
    theirs = {peer: farthest(distances(run, {n: truth[n] for n in run}))[1] for peer, run in runs.items()}
    apart = {peer: farthest(distances({n: ours.get(n) for n in run}, run))[1] for peer, run in runs.items()}
    place, far = farthest(found)
    passed = list(ours) == list(truth) and max(far, *apart.values()) <= BAR
    finding = f"{len(truth)} values, {len(ids)} token{'s' * (len(ids) > 1)}"
    if not passed:
        first = first_beyond(found, BAR)
        what = f"{first} is {short(found[first])} from the true value" if first else f"distance from {peers(apart)}"
        finding = f"first beyond {BAR:g}: {what}" if list(ours) == list(truth) else f"different names of values; {what}"
    values: dict[str, Value] = {"tokens": len(ids), "ours_to_peers": apart, "by_value": found}
    return Check("model", name, passed, finding, values, Measure(far, BAR, OF_LARGEST, theirs, place))


def _float32(model: Path) -> Check:
    """Round the logits to float32: how many equal the rounded true logits?"""
    ids = prompt(model)
    truth = np.asarray(true_values(model, ids)["logits"]).astype(np.float32)

    def share(logits: Any) -> float:
        return float((np.asarray(logits).astype(np.float32) == truth).mean())

    ours = share(reference_values(model, ids)["logits"])
    doubles, floats = (share(torch_gpt2(model, ids, dtype)["logits"]) for dtype in (torch.float64, torch.float32))
    finding = (
        f"rounded to float32, {ours:.2%} of ours equal the rounded true logits; PyTorch float64 {doubles:.2%};"
        f" required: more than PyTorch float32, {floats:.2%}"
    )
    values = {
        "ours": ours,
        "PyTorch float64": doubles,
        "PyTorch float32": floats,
        "logits": truth.size,
        "truth_bits": TRUTH_BITS,
    }
    return Check("model", "logits in float32", ours > floats, finding, values)


def _log_probabilities(model: Path) -> Check:
    """Compare ln P of each token of a text that is longer than what is read at once."""
    ids = [(97 * n) % 261 for n in range(40)]
    truth = torch_gpt2(model, ids)["logits"].log_softmax(-1)[range(39), ids[1:]]
    far = distance(list(GPT2.from_pretrained(model).log_probabilities(ids)), truth)
    passed = far <= BAR
    finding = "39 tokens" if passed else f"{short(far)} from PyTorch float64, the bound is {short(BAR)}"
    measure = Measure(far, BAR, OF_LARGEST, at="beside PyTorch float64")
    return Check("model", "log-probabilities", passed, finding, {"tokens": 39}, measure)
