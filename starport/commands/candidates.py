"""The likeliest tokens at every step of a generation, for `generate --show-candidates`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Any

from starchart import Tokenizer
from starchart.generation.generate import Step
from starchart.utils.softmax import softmax
from starport.explorer.tokens import shown_bytes
from starport.terminal.tables import cut, left, right

_TOKEN = 12  # columns of a token


@dataclass
class Candidates:
    """Watches the steps of a generation. `steps` has what `--json` prints: for each new token the likeliest ones.

    Their probabilities are those of the model, before temperature, top-k and top-p.
    """

    tokenizer: Tokenizer
    count: int
    tell: Callable[[str], object] = lambda line: None  # noqa: ARG005
    steps: list[list[dict[str, Any]]] = field(default_factory=list)

    def watched(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Yield the steps, and tell a line for each."""
        for step in steps:
            probabilities = softmax(step.logits)
            likeliest = nlargest(self.count, range(len(probabilities)), key=probabilities.__getitem__)
            self.steps.append([self._candidate(token, probabilities[token]) for token in likeliest])
            self.tell(self._line(step.token, probabilities[step.token], likeliest, probabilities))
            yield step

    def _candidate(self, token: int, probability: float) -> dict[str, Any]:
        return {"id": token, "text": self._text(token), "probability": probability}

    def _line(self, drawn: int, probability: float, likeliest: Iterable[int], probabilities: list[float]) -> str:
        others = "  ".join(self._cell(token, probabilities[token]) for token in likeliest)
        return f"{self._cell(drawn, probability)}  |  {others}".rstrip()

    def _cell(self, token: int, probability: float) -> str:
        name = f"<{token}>" if token >= self.tokenizer.vocab_size else shown_bytes(self.tokenizer.decode_bytes([token]))
        return f"{left(cut(name, _TOKEN), _TOKEN)} {right(f'{100 * probability:.1f}%', 6)}"

    def _text(self, token: int) -> str:
        return self.tokenizer.decode([token]) if token < self.tokenizer.vocab_size else ""
