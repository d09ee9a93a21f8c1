"""Every engine against the reference engine, operation by operation.

A tap gives each operation the true inputs, as the reference engine computes them, and compares its output. So errors do
not add up over operations: the first value beyond its bound names the wrong operation. The model is also run without a
tap, where an engine may fuse operations, with more workers, with a cache, and for the most probable tokens only. An
exact engine must give the same bits each time.

The error of a precision depends on the model. So an operation of the packed engine may have twice the error that the
rounding to that number of bits alone has on the same model (`rounding_engine.py`). The error of the whole model is a
KL divergence, in nats per token. It is bounded only on towel and on the small random model; on any other model it is
printed, but not checked: a model with huge random weights makes it large although no operation is wrong.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from starchart.engine import Engine
from starchart.engines.packed.arithmetic.lanes import FAST, FULL
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.generation.sampling import SamplingSettings
from starchart.gpt2 import GPT2
from starport.engines.torch_engine import TorchEngine
from starport.verify.check import Check, Measure, Value, attempt, short
from starport.verify.distance import BAR, OF_LARGEST, distance, farthest, first_beyond, same_bits
from starport.verify.rounding_engine import RoundingEngine, Width
from starport.verify.runs import prompt, reference_values
from starport.verify.stand_ins import write_stand_in

LIKELIEST = 5
LONG = 141  # tokens: the packed cache starts a new integer of keys every 128 tokens


_FULL: tuple[Width, ...] = ((52, 25), (56, 27))


@dataclass(frozen=True)
class Kind:
    """An engine with its bounds: `bar` for an operation, relative to the tensor's largest number; `nats` for the model.

    With `rounding`, the bound of an operation is the larger of `bar` and twice the error of that rounding.
    """

    name: str
    engine: Callable[[int], Engine]  # from a number of workers
    bar: float
    nats: float  # KL divergence per token, on towel and the random model
    exact: bool  # the same bits in every way of running it
    rounding: tuple[Width, ...] = ()  # the usual bits of a lane and of a weight, then those of matrices that need more


KINDS = (
    # One product has two roundings of 2^-25 each; sums of many products have more. The bound is 4 of these errors.
    Kind("packed full", lambda workers: PackedEngine(FULL, workers), 2.0**-22, 1e-9, exact=True, rounding=_FULL),
    # An approximation: 9 bits of weights and about 8 of vectors, or more. 5e-4 nats per token is what is promised.
    Kind("packed fast", lambda workers: PackedEngine(FAST, workers), 2.0**-6, 5e-4, exact=True, rounding=((20, 9),)),
    Kind("torch float64", lambda _: TorchEngine("cpu", "float64"), BAR, 1e-12, exact=False),
    # 24 bits and a hundred roundings.
    Kind("torch float32", lambda _: TorchEngine("cpu", "float32"), 3e-6, 1e-9, exact=False),
)


def checks(model: Path) -> Iterator[Check]:
    """Yield two checks per engine: on the model in this folder, and on a small random one with a long text."""
    with tempfile.TemporaryDirectory() as temporary:
        small = write_stand_in(Path(temporary), 11, n_positions=150, n_inner=50)
        long = tuple((89 * n + 7) % 261 for n in range(LONG))
        for kind in KINDS:
            for name, folder, ids in ((kind.name, model, prompt(model)), (f"{kind.name}, {LONG} tokens", small, long)):
                yield attempt("engines", name, _compare, kind, folder, ids, name, folder == small or _is_towel(folder))


def _is_towel(model: Path) -> bool:
    return (model.parent.name, model.name) == ("box", "towel")


def _compare(kind: Kind, model: Path, ids: tuple[int, ...], name: str, known: bool) -> Check:
    truth = reference_values(model, ids)
    with ExitStack() as stack:
        one = stack.enter_context(GPT2.from_pretrained(model, kind.engine(1)))
        found = one_by_one(one, ids, truth)
        logits = one.logits(ids)
        fault = _other_ways(kind, one, ids, logits, truth["logits"])
        if kind.exact and not fault:
            two = stack.enter_context(GPT2.from_pretrained(model, kind.engine(2)))
            if not same_bits(two.logits(ids), logits) or not same_bits(two.logits(ids, tap=_look), logits):
                fault = "different bits with 2 workers"
    place, far = farthest(found)
    nats, whole = divergence(logits, truth["logits"]), distance(logits, truth["logits"])
    alone = _rounding_alone(kind, model, ids, truth)
    bar = max(kind.bar, 2 * alone["worst"]) if alone else kind.bar
    values_measure = Measure(far, bar, OF_LARGEST, at=place)
    text_measure = Measure(nats, kind.nats, "nats", at="whole model")
    measure, other = values_measure, ""
    if known:
        measure, second = sorted((values_measure, text_measure), key=lambda found: found.share, reverse=True)
        other = f"{short(second.ours)} / {short(second.bar)} {second.unit}, {second.at}"
    finding = "; ".join([other] * known + _told(kind, nats, alone, known))
    first = first_beyond(found, bar)
    passed = not first and not fault and not (known and nats > kind.nats)
    if not passed:
        finding = fault or f"{short(nats)} nats, the bound is {kind.nats:g}"
        finding = f"first beyond {short(bar)}: {first}, {short(found[first])}" if first else finding
    values: dict[str, Value] = {
        "worst": far,
        "worst_at": place,
        "bar": bar,
        "logits": whole,
        "nats": nats,
        "nats_bar": kind.nats if known else None,
        "rounding_alone": alone,
    }
    values |= {"first_beyond": first, "fault": fault, "by_value": found}
    return Check("engines", name, passed, finding, values, measure)


def _told(kind: Kind, nats: float, alone: Mapping[str, float] | None, known: bool) -> list[str]:
    """Return further results of a run that passed, besides its measures."""
    told = [] if known else [f"{short(nats)} nats per token on this model"]
    if kind.name == "packed fast" and alone:
        told.append(f"fast is approximate: in its narrowest lanes, rounding alone has {short(alone['nats'])} nats")
    return told + ["same bits fused, with a cache, with 2 workers"] * kind.exact


def _rounding_alone(kind: Kind, model: Path, ids: tuple[int, ...], truth: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the error of the rounding alone on this model: of the worst operation, and in nats per token."""
    if not kind.rounding:
        return None
    with GPT2.from_pretrained(model, RoundingEngine(*kind.rounding)) as gpt2:
        worst = farthest(one_by_one(gpt2, ids, truth))[1]
        return {"worst": worst, "nats": divergence(gpt2.logits(ids), truth["logits"])}


def one_by_one(gpt2: GPT2, ids: tuple[int, ...], truth: Mapping[str, Any]) -> dict[str, float]:
    """Return the distance of each value from the true one, if its operation gets true inputs."""
    found: dict[str, float] = {}

    def tap(name: str, value: Any) -> Any:
        found[name] = distance(value, truth[name])
        return truth[name]

    gpt2.logits(ids, tap=tap)
    return found


def divergence(logits: Any, truth: Any) -> float:  # [T][V], [T][V] -> nats per token
    """Return the mean KL divergence of the distributions from the true ones."""
    ours, true = (_log_softmax(np.asarray(rows, dtype=np.float64)) for rows in (logits, truth))
    return abs(float((np.exp(true) * (true - ours)).sum(-1).mean()))


def _log_softmax(rows: Any) -> Any:
    shifted = rows - rows.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _other_ways(kind: Kind, gpt2: GPT2, ids: tuple[int, ...], logits: Any, truth: Any) -> str | None:
    """Return the first way of running whose logits differ from all tokens at once without a tap; None if all agree.

    An engine that is not exact may round differently. Then the distance may be 4 times that of the run with a tap from
    the true logits.
    """
    tapped = gpt2.logits(ids, tap=_look)
    bar = max(kind.bar, 4 * distance(tapped, truth))
    ways = {
        "with a tap": tapped,
        "with a cache": _in_parts(gpt2, ids),
        "for the last token alone": logits[:-1] + gpt2.logits(ids, last_only=True),
    }
    for way, rows in ways.items():
        if not (same_bits(rows, logits) if kind.exact else distance(rows, logits) <= bar):
            return f"different logits {way}: distance {short(distance(rows, logits))}"
    return None if _likeliest(gpt2, ids) else f"the {LIKELIEST} most probable tokens differ from those of the whole row"


def _in_parts(gpt2: GPT2, ids: tuple[int, ...]) -> list[list[float]]:
    """Return the logits of a text that is read in up to three parts, the last one with a fork of the cache."""
    rows: list[list[float]] = []
    cache = None
    for part in (ids[: len(ids) // 3], ids[len(ids) // 3 : -1]):
        if part:
            more, cache = gpt2.read(part, cache, last_only=False)
            rows += more
    if cache is None:  # the text is a single token
        return gpt2.read(ids)[0]
    fork = gpt2.fork(cache)
    gpt2.read([ids[0]], cache)
    return rows + gpt2.read(ids[-1:], fork)[0]


def _likeliest(gpt2: GPT2, ids: tuple[int, ...]) -> bool:
    """Return whether the search for the most probable tokens gives their logits; others may be -inf."""
    for step in gpt2.steps(ids[:3], SamplingSettings(temperature=0), max_new_tokens=3):
        row, some = step.drawn_from.top(0), step.drawn_from.top(LIKELIEST)
        last = sorted(row)[-LIKELIEST]
        if any(a != b and not (a == -np.inf and b < last) for a, b in zip(some, row, strict=True)):
            return False
    return True


def _look(_: str, value: Any) -> Any:
    return value
