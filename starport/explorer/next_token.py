"""The answer to `next`: every token that may come next, what each filter keeps, and the draw itself."""

from dataclasses import asdict, dataclass
from struct import unpack_from
from typing import Any

from starchart.generation.exponential_race import exponential_time
from starchart.generation.float32 import float32_row
from starchart.generation.logits_filters import divide_by_temperature, top_k, top_p
from starchart.generation.sampling import SamplingSettings, sample
from starchart.generation.torch_random import TorchGenerator
from starchart.utils.elementary.exp import exp
from starchart.utils.exact_sum import exact_sum
from starport.explorer.names import part_of
from starport.explorer.plain_data import plain_number
from starport.explorer.question import Question
from starport.explorer.request import Request

_MOST_DRAWS = 5000
_MOST_ROWS = 1000


@dataclass(frozen=True)
class Draw:
    """What the filters keep and the race decides: for each kept token its scaled logit, chance, time and score."""

    logits: list[float]  # [V], float32
    scaled: list[float]  # [V], float32, divided by the temperature
    by_top_k: set[int]
    by_top_p: set[int]  # of those that top-k keeps
    chances: dict[int, float]
    times: dict[int, float]
    scores: dict[int, float]
    token: int


def next_answer(question: Question) -> dict[str, Any]:
    """Return the next token and some rows of the table of all tokens."""
    request = question.request
    tokens, vocabulary = len(question.trace.ids), question.model.letters["V"]
    position = request.whole("position", tokens, tokens - 1)
    settings = _settings(request)
    number = request.whole("draw", _MOST_DRAWS, 0)
    logits = list(part_of(question, "logits", [position]))
    draw = draw_next(logits, settings, number)
    probabilities = part_of(question, "probabilities", [position])
    order = sorted(range(vocabulary), key=logits.__getitem__, reverse=True)
    ranks = {token: rank for rank, token in enumerate(order)}
    search = request.text("search", "")
    matching = set(question.model.tokens.find(search, vocabulary)) if search else None
    found = order if matching is None else [token for token in order if token in matching]
    start = request.whole("offset", None, 0)
    shown = found[start : start + request.whole("limit", _MOST_ROWS + 1, 50)]

    def row(token: int) -> dict[str, Any]:
        greedy = settings.temperature == 0
        return {
            "token": question.model.tokens.token(token),
            "rank": ranks[token],
            "logit": plain_number(logits[token]),
            "probability": plain_number(probabilities[token]),
            "scaled": None if greedy else plain_number(draw.scaled[token]),
            "kept_by_top_k": token in draw.by_top_k,
            "kept_by_top_p": token in draw.by_top_p,
            "chance": draw.chances.get(token, 0.0),
            "time": draw.times.get(token),
            "score": draw.scores.get(token),
        }

    return {
        "position": position,
        "tokens": [row(token) for token in shown],
        "found": len(found),
        "vocabulary": vocabulary,
        "kept": {"top_k": len(draw.by_top_k), "top_p": len(draw.by_top_p)},
        "drawn": row(draw.token),
        "words": 0 if settings.temperature == 0 else 2 * vocabulary * number,
        "settings": {**asdict(settings), "draw": number},
    }


def _settings(request: Request) -> SamplingSettings:
    seed = request.fields.get("seed")
    return SamplingSettings(
        request.number("temperature", 0.8),
        request.whole("top_k", None, 40),
        request.number("top_p", 1.0),
        0 if seed is None else seed,
    )


def draw_next(logits: list[float], settings: SamplingSettings, number: int) -> Draw:  # [V]
    """Return the draw after `number` earlier ones with the same seed, as `starchart.generation.sampling` makes it."""
    generator = TorchGenerator(settings.seed or 0)
    for _ in range(number if settings.temperature else 0):
        generator.bits(2 * len(logits))
    row = float32_row(logits)
    if settings.temperature == 0:
        token = sample(logits, settings, generator)
        return Draw(row, row, {token}, {token}, {token: 1.0}, {}, {}, token)
    words = generator.bits(2 * len(row)).to_bytes(8 * len(row), "little")
    token = sample(logits, settings, _Replayed(words))
    scaled = row if settings.temperature == 1 else divide_by_temperature(row, settings.temperature)
    everything = range(len(row))
    by_top_k = top_k(scaled, settings.top_k) if 0 < settings.top_k < len(row) else everything
    kept = top_p(scaled, by_top_k, settings.top_p) if settings.top_p < 1 else by_top_k
    largest = max(scaled)
    weights = {each: exp(scaled[each] - largest) for each in kept}
    total = exact_sum(weights.values())
    times = {each: exponential_time(*unpack_from("<II", words, 8 * each)) for each in kept}
    scores = {each: weights[each] / times[each] for each in kept}
    chances = {each: weight / total for each, weight in weights.items()}
    return Draw(row, scaled, set(by_top_k), set(kept), chances, times, scores, token)


class _Replayed(TorchGenerator):
    """A generator that gives the words of one draw once more, so that they can be shown."""

    def __init__(self, words: bytes) -> None:
        self._words = words

    def bits(self, count: int) -> int:
        """Return the words as one integer."""
        return int.from_bytes(self._words[: 4 * count], "little")
