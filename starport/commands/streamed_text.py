"""A text while it is generated: turns tokens into characters, and collects what the JSON report needs."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from starchart import Tokenizer
from starchart.generation.fingerprint import fingerprint
from starchart.generation.generate import Step
from starchart.generation.stop_texts import StopTexts


@dataclass
class StreamedText:
    """Iterate over `pieces` once; after that the other fields are complete."""

    steps: Iterable[Step]
    tokenizer: Tokenizer
    stop_texts: StopTexts
    ids: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str = "length"
    last: Step | None = None
    prefill: float = 0.0  # seconds until the first token was drawn
    decode: float = 0.0  # seconds from then to the last token

    def pieces(self) -> Iterator[str]:
        """Yield the new text in whole characters, as soon as they can no longer be part of a stop text."""
        for piece in self.tokenizer.stream(self._tokens()):
            yield self._kept(self.stop_texts.push(piece))
            if self.stop_texts.stopped:
                break
        yield self._kept(self.stop_texts.finish())
        if self.stop_texts.stopped:
            self.finish_reason = "stop"

    def report(self) -> dict[str, Any]:
        """Return the fields of `--json` that describe the text."""
        return {
            "generated_ids": self.ids,
            "text": self.text,
            "finish_reason": self.finish_reason,
            "fingerprint": fingerprint(self.last.logits if self.last else ()),
            "tokens_per_second": (len(self.ids) - 1) / self.decode if self.decode else None,
        }

    def _kept(self, text: str) -> str:
        self.text += text
        return text

    def _tokens(self) -> Iterator[int]:
        """Yield the new tokens that are text: not the end of text, and no id that only pads the vocabulary."""
        began = time.perf_counter()
        for step in self.steps:
            now = time.perf_counter()
            if not self.ids:
                self.prefill, began = now - began, now
            self.decode = now - began
            self.ids.append(step.token)
            self.last = step
            if step.finish_reason:
                self.finish_reason = step.finish_reason
            if step.finish_reason != "end_of_text" and step.token < self.tokenizer.vocab_size:
                yield step.token
