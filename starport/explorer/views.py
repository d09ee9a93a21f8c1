"""The answers to `map`, `attention` and `feed_forward`: what a drawing of one part of the model shows."""

from typing import Any

from starport.explorer.names import part_of
from starport.explorer.plain_data import plain_number, plain_numbers
from starport.explorer.question import Question


def map_answer(question: Question) -> dict[str, Any]:
    """Return the length of the residual stream at every point, and of what is added to it."""
    layers = range(question.model.letters["L"])
    stream = [f"h.{n}.{point}.norm" for n in layers for point in ("resid_pre", "resid_mid", "resid_post")]
    added = ["wte.norm", "wpe.norm", *(f"h.{n}.{part}.c_proj.norm" for n in layers for part in ("attn", "mlp"))]
    return {"stream": _named(question, stream), "added": _named(question, added)}


def _named(question: Question, names: list[str]) -> list[dict[str, Any]]:
    return [{"name": name, "values": plain_numbers(part_of(question, name, []))} for name in names]


def attention_answer(question: Question) -> dict[str, Any]:
    """Return the patterns of all heads of a block, or everything about one head."""
    request, letters = question.request, question.model.letters
    layer = request.whole("layer", letters["L"])
    attention = f"h.{layer}.attn."
    if not request.has("head"):
        name = f"{attention}pattern"
        return {"layer": layer, "name": name, "patterns": plain_numbers(part_of(question, name, []))}
    head = request.whole("head", letters["H"])
    answer: dict[str, Any] = {"layer": layer, "head": head}
    for part in ("scores", "pattern", "given"):
        values = plain_numbers(part_of(question, f"{attention}{part}", [head]))
        answer[part] = {"name": f"{attention}{part}", "at": [head], "values": values}
    return answer


def feed_forward_answer(question: Question) -> dict[str, Any]:
    """Return the most active channels of a feed-forward network at one position."""
    request, letters = question.request, question.model.letters
    layer = request.whole("layer", letters["L"])
    position = request.whole("position", len(question.trace.ids))
    top = request.whole("top", letters["F"] + 1, min(20, letters["F"]))
    network = f"h.{layer}.mlp."
    before = part_of(question, f"{network}c_fc", [position])
    after = part_of(question, f"{network}act", [position])
    channels = sorted(range(len(after)), key=lambda channel: -abs(after[channel]))[:top]
    return {
        "layer": layer,
        "position": position,
        "before": f"{network}c_fc",
        "after": f"{network}act",
        "channels": [
            {"channel": channel, "before": plain_number(before[channel]), "after": plain_number(after[channel])}
            for channel in channels
        ],
        "width": len(after),
    }
