"""From the options of a command to a model that answers questions: what lens, attention and the like share."""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from starchart.errors import RequestError
from starport.commands.engine_options import add_engine_options
from starport.commands.given_prompt import given_prompt
from starport.commands.open_model import choose_model, open_model
from starport.explorer.explorer import Explorer
from starport.terminal.console import tell

_OPTIONS = ("layer", "head", "top", "token", "answer", "wrong")  # fields of questions that are options here

Ask: TypeAlias = Callable[..., dict[str, Any]]


def add_prompt_options(parser: argparse.ArgumentParser) -> None:
    """Declare the prompt, and the options of every command that looks into a run of it."""
    parser.add_argument(
        "prompt", metavar="PROMPT",
        help="text that the model reads, in quotes (put -- before a text that begins with a dash); -: standard input",
    )  # fmt: skip
    add_shared_options(parser)


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """Declare --special, --json and the options that select a model and an engine."""
    add_engine_options(parser)
    parser.add_argument(
        "--special", action="store_true",
        help="read <|endoftext|> in a prompt as the special token (default: as plain text)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


@contextmanager
def explored_model(options: argparse.Namespace) -> Iterator[Ask]:
    """Open the model, and yield a function that asks it: ask("lens", trace=key). Raises StarchartError.

    `options.model` becomes the name of the model that was chosen.
    """
    model = choose_model(options.model, options.revision)
    gpt2, progress = open_model(model, options)
    options.model = model.name
    with gpt2:
        progress.clear()
        tell(f"{model.introduction()}; {options.engine} engine")
        explorer = Explorer(model.folder, model.name, engine=options.engine, precision=options.precision, gpt2=gpt2)

        def ask(question: str, /, **fields: Any) -> dict[str, Any]:
            request = {"ask": question, **fields}
            answer = explorer.answer(request, lambda done, of, text: progress(text, done, of))
            progress.clear()
            if "error" in answer:
                raise RequestError(_with_option(answer["error"]))
            return answer

        try:
            yield ask
        finally:
            progress.end()


def _with_option(message: str) -> str:
    """Return an explorer's message with --layer where it begins with the field that this option became."""
    return f"--{message}" if message.partition(" ")[0] in _OPTIONS else message


def trace_of(ask: Ask, options: argparse.Namespace) -> dict[str, Any]:
    """Return the trace of the prompt."""
    return ask("trace", prompt=given_prompt(options.prompt), special=options.special)


def print_json(options: argparse.Namespace, trace: dict[str, Any], answer: dict[str, Any]) -> None:
    """Print one JSON object: what ran, and the answer."""
    ran = {
        "model": options.model,
        "engine": options.engine,
        "precision": options.precision,
        "prompt_ids": trace["ids"],
        "tokens": [token["text"] for token in trace["tokens"]],
        "fingerprint": trace["fingerprint"],
    }
    print(json.dumps(ran | answer, ensure_ascii=False))


def position_of(position: int, tokens: int) -> int:
    """Return a position counted from 0, where -1 is the last token. Raises RequestError for one that is not there."""
    if not -tokens <= position < tokens:
        raise RequestError(
            f"--position {position}: the prompt has {tokens} tokens, 0 to {tokens - 1}, or -1 for the last"
        )
    return position % tokens
