"""What the page asks: the explorer's questions about a model, and the chapters of the Guide."""

import json
from collections.abc import Callable
from typing import Any

from starport.explorer.explorer import Explorer
from starport.guide.questions import QUESTIONS as CHAPTERS

Progress = Callable[[int, int, str], None]


def answer(explorer: Explorer, request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Return the answer to a question, as data that json.dumps can write."""
    ask = request.get("ask")
    if isinstance(ask, str) and ask in CHAPTERS:
        return CHAPTERS[ask](request)
    return explorer.answer(request, progress)


def towel_in_the_browser() -> Callable[[str, Progress], str]:
    """Return a function from a question to its answer, both JSON, about towel: what the page's worker calls."""
    explorer = Explorer("towel", "towel")

    def answer_json(request: str, progress: Progress) -> str:
        return json.dumps(answer(explorer, json.loads(request), progress), allow_nan=False)

    return answer_json
