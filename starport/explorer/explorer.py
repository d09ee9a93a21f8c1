"""The explorer: `answer` takes a question about a model or a run and returns plain data. README.md has the contract."""

from collections.abc import Callable
from os import PathLike
from typing import Any

from starchart import GPT2
from starchart.errors import RequestError, StarchartError
from starchart.files.json_file import shown
from starport.explorer.lens_answers import contributions_answer, lens_answer, sweep_answer
from starport.explorer.model_facts import model_facts
from starport.explorer.next_token import next_answer
from starport.explorer.opened_model import OpenedModel, Progress, no_progress
from starport.explorer.question import Question
from starport.explorer.request import Request
from starport.explorer.run_facts import run_facts
from starport.explorer.stories import number_answer
from starport.explorer.traces import GoneError, Traces
from starport.explorer.values import values_answer
from starport.explorer.views import attention_answer, feed_forward_answer, map_answer

QUESTIONS: dict[str, Callable[[Question], dict[str, Any]]] = {
    "model": model_facts,
    "tokenize": lambda q: q.model.tokens.steps(q.request.text("text"), q.request.flag("special")),
    "trace": run_facts,
    "values": values_answer,
    "number": number_answer,
    "map": map_answer,
    "attention": attention_answer,
    "feed_forward": feed_forward_answer,
    "lens": lens_answer,
    "contributions": contributions_answer,
    "next": next_answer,
    "sweep": sweep_answer,
}


class Explorer:
    """Answers questions about one model, one question at a time. Close it: an engine may hold processes.

    `model` is what GPT2.from_pretrained takes, `name` the name to show. `engine` and `precision` are the default ones.
    `gpt2` is the model on them, where it is open already: its owner closes it, after this.
    """

    def __init__(
        self,
        model: str | PathLike[str],
        name: str,
        *,
        engine: str = "packed",
        precision: str = "full",
        gpt2: GPT2 | None = None,
        workers: int | None = 1,
        pack_cache: bool = False,
    ) -> None:
        self._model = OpenedModel(model, name, (engine, precision), gpt2, workers, pack_cache)
        self._traces = Traces(self._model)

    def answer(self, request: Any, progress: Progress = no_progress) -> dict[str, Any]:
        """Return the answer, which json.dumps can write; {"error": one line} for what cannot be answered."""
        try:
            checked = Request(request)
            ask = checked.text("ask")
            if ask not in QUESTIONS:
                raise RequestError(f"there is no question {shown(ask)}; there are {', '.join(QUESTIONS)}")
            return QUESTIONS[ask](Question(checked, progress, self._model, self._traces))
        except GoneError as error:
            return {"error": str(error), "gone": True}
        except StarchartError as error:
            return {"error": str(error)}
        except RecursionError:
            return {"error": "the request is nested too deeply"}
        except MemoryError:
            return {"error": "not enough memory; try a shorter prompt or a smaller model"}

    def close(self) -> None:
        """Close the engines."""
        self._model.close()
