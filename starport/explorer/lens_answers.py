"""The answers to `lens`, `contributions` and `sweep`."""

from heapq import nlargest
from typing import Any

from starchart.errors import RequestError
from starchart.lens.contributions import deviation_of
from starchart.lens.logit_lens import check_points, stream_points
from starchart.lens.patching import KINDS, patch_residual
from starchart.utils.exact_sum import exact_sum
from starchart.utils.softmax import softmax
from starport.explorer.names import part_of
from starport.explorer.plain_data import plain_number, plain_numbers
from starport.explorer.question import Question
from starport.explorer.request import Request
from starport.explorer.tokens import one_token
from starport.explorer.traces import Trace

_AT_ONCE = 16  # rows of the output projection in one pass
_MOST_TOKENS = 250_000  # in one answer: about a kilobyte each


def lens_answer(question: Question) -> dict[str, Any]:
    """Return the likeliest tokens at each point of the residual stream, for one position or all."""
    request, trace, model = question.request, question.trace, question.model
    every = stream_points(model.config)
    points = request.listed("points", every)
    check_points(points, model.config)
    points = list(dict.fromkeys(points))
    top = request.whole("top", min(1000, model.letters["V"]) + 1, min(5, model.letters["V"]))
    positions = _positions(request, len(trace.ids))
    places = [(point, position) for point in points for position in positions]
    if len(places) * top > _MOST_TOKENS:
        raise RequestError(
            f"the lens has {len(places) * top} tokens here; at most {_MOST_TOKENS} are given at once: use points,"
            " positions or a smaller top"
        )
    listed: dict[str, list[dict[str, Any]]] = {point: [] for point in points}
    for start in range(0, len(places), _AT_ONCE):
        question.progress(start, len(places), "logit lens")
        some = places[start : start + _AT_ONCE]
        for (point, position), row in zip(some, trace.derived.lens(some), strict=True):
            listed[point].append({"position": position, "tokens": _top(question, row, top)})
    question.progress(len(places), len(places), "logit lens")
    return {"points": [{"name": point, "positions": listed[point]} for point in points]}


def _positions(request: Request, tokens: int) -> list[int]:
    """Return the positions of a request: one, some, or all."""
    if request.has("position"):
        return [request.whole("position", tokens)]
    listed = request.listed("positions", list(range(tokens)))
    return [Request({"positions": place}).whole("positions", tokens) for place in listed[:tokens]]


def _top(question: Question, row: Any, top: int) -> list[dict[str, Any]]:
    probabilities = softmax(row)
    ids = nlargest(top, range(len(row)), key=row.__getitem__)
    return [
        {
            "token": question.model.tokens.token(number),
            "logit": plain_number(row[number]),
            "probability": plain_number(probabilities[number]),
        }
        for number in ids
    ]


def contributions_answer(question: Question) -> dict[str, Any]:
    """Return what each part of the model adds to the logit of a token."""
    request, trace, model = question.request, question.trace, question.model
    position = request.whole("position", len(trace.ids))
    token = _one_token(question, "token")
    parts = []
    for name, value in trace.derived.contributions(position, token).items():
        heads = enumerate(value) if isinstance(value, list) else [(None, value)]
        parts += [_part(name, head, number, position, token) for head, number in heads]
    logit = part_of(question, "logits", [position, token])
    total = exact_sum(part["value"] for part in parts)
    stream = trace.values[f"h.{model.letters['L'] - 1}.resid_post"][position]
    return {
        "position": position,
        "token": model.tokens.token(token),
        "logit": plain_number(logit),
        "scale": plain_number(deviation_of(stream, model.config.layer_norm_epsilon)),
        "parts": [part | {"value": plain_number(part["value"])} for part in parts],
        "sum": plain_number(total),
        "rounding": plain_number(logit - total),
    }


def _part(name: str, head: int | None, value: float, position: int, token: int) -> dict[str, Any]:
    index = [position, token] if head is None else [head, position, token]
    return {"name": f"contribution.{name}", "index": index, "label": _label(name, head), "value": value}


def _label(name: str, head: int | None) -> str:
    block = f"block {name.split('.')[1]}, " if name.startswith("h.") else ""
    if head is not None:
        return f"{block}head {head}"
    words = {"wte": "token embedding", "wpe": "position embedding", "ln_f.bias": "bias of ln_f"}
    kind = name.removeprefix(f"h.{name.split('.')[1]}." if block else "")
    return block + {**words, "attn.c_proj.bias": "bias of attention", "mlp.c_proj": "feed-forward"}[kind]


def sweep_answer(question: Question) -> dict[str, Any]:
    """Return the effect of patching each block and position of a corrupt prompt from a clean one."""
    request, model = question.request, question.model
    kind = request.choice("kind", KINDS, KINDS[0])
    answer, wrong = _one_token(question, "answer"), _one_token(question, "wrong")
    if answer == wrong:
        raise RequestError("both answers are the same token; give two that differ")
    runs = {}
    for name in ("clean", "corrupt"):
        fields = {
            "prompt": request.text(name),
            **{key: request.fields.get(key) for key in ("engine", "precision", "special")},
        }
        runs[name] = question.traces.get(Request(fields), question.progress)
    clean, corrupt = runs["clean"], runs["corrupt"]
    if list(clean.ids) == list(corrupt.ids):
        raise RequestError("the two prompts are the same tokens; give two that differ")
    differences = patch_residual(
        model.gpt2(clean.engine, clean.precision), clean.ids, corrupt.ids, answer, wrong, kind,
        lambda done, of: question.progress(done, of, "patching"),
    )  # fmt: skip
    return {
        "kind": kind,
        "clean": _side(question, clean, answer, wrong),
        "corrupt": _side(question, corrupt, answer, wrong),
        "answer": model.tokens.token(answer),
        "wrong": model.tokens.token(wrong),
        "differences": plain_numbers(differences),
    }


def _side(question: Question, trace: Trace, answer: int, wrong: int) -> dict[str, Any]:
    logits = trace.values["logits"][-1]
    tokens = question.model.tokens.tokens(trace.ids)
    return {"tokens": tokens, "difference": plain_number(logits[answer] - logits[wrong]), "trace": trace.key}


def _one_token(question: Question, name: str) -> int:
    """Return the id of a field that is a text of one token, or an id."""
    value = question.request.fields.get(name)
    if not isinstance(value, str):
        return question.request.whole(name, question.model.letters["V"])
    return one_token(question.model.tokens.tokenizer, value, name)
