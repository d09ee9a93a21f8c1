"""`starchart generate`: continue a prompt and print the text token by token. `run_gpt2.py` runs this command."""

import argparse
import json
import re
import secrets
import sys
import time
from collections.abc import Sequence
from itertools import chain
from typing import Any

from starchart import Tokenizer, __version__
from starchart.errors import GenerationError
from starchart.generation.generate import Limits
from starchart.generation.sampling import SamplingSettings
from starchart.generation.stop_texts import StopTexts
from starport.commands.candidates import Candidates
from starport.commands.engine_options import add_engine_options
from starport.commands.given_prompt import given_prompt, prompt_ids
from starport.commands.open_model import choose_model, open_model
from starport.commands.streamed_text import StreamedText
from starport.terminal.console import ProgressLine, tell

SUMMARY = "Generate text: continue a prompt, token by token."
OPENING = "Once upon a time"
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    parser.add_argument(
        "prompt", nargs="?", metavar="PROMPT",
        help="text to continue, in quotes (put -- before a text that begins with a dash); -: read standard input,"
        f" without its last line end (default: standard input if it is piped, else {OPENING!r}); an empty prompt"
        " starts from <|endoftext|>",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"starchart {__version__}")
    add_engine_options(parser)
    add = parser.add_argument
    add(
        "--special", action="store_true",
        help="read <|endoftext|> in the prompt as the special token (default: as plain text)",
    )  # fmt: skip
    add("--max-new-tokens", type=int, default=60, metavar="N", help="tokens to generate, at most (default: 60)")
    add(
        "--temperature", type=float, default=0.8, metavar="T",
        help="divides the logits before sampling; 0: greedy, always the most probable token (default: 0.8)",
    )  # fmt: skip
    add(
        "--top-k", type=int, default=40, metavar="K",
        help="sample from the K most probable tokens; 0: off (default: 40)",
    )  # fmt: skip
    add(
        "--top-p", type=float, default=1.0, metavar="P",
        help="nucleus sampling: from the most probable tokens whose probabilities add up to P; 1: off (default: 1)",
    )  # fmt: skip
    add("--seed", type=int, metavar="S", help="the same seed gives the same text (default: random, and printed)")
    add(
        "--stop", action="append", default=[], type=unescaped, metavar="TEXT",
        help=r"stop before this text; \n is a line feed, \t a tab, \\ a backslash (repeatable)",
    )  # fmt: skip
    add(
        "--on-full", default="stop", choices=["stop", "slide"],
        help="when the context is full: stop; or slide: read the last half of the text again and continue"
        " (default: stop)",
    )  # fmt: skip
    add(
        "--show-candidates", type=int, metavar="K",
        help="print each new token with its probability and the K most probable ones, and the text at the end",
    )  # fmt: skip
    add("--no-echo", action="store_true", help="print the new text without the prompt")
    add("--json", action="store_true", help="print one JSON object instead of text")


def run(options: argparse.Namespace) -> None:
    """Open the model, generate the text and print it. Raises StarchartError for bad input."""
    stop_texts = StopTexts(options.stop)
    Limits(1, (), options.max_new_tokens, options.on_full)  # refuses bad values before the model is opened
    if options.show_candidates is not None and options.show_candidates < 1:
        raise GenerationError(f"--show-candidates {options.show_candidates}: give how many, at least 1")
    seed = secrets.randbits(32) if options.seed is None else options.seed
    settings = SamplingSettings(options.temperature, options.top_k, options.top_p, seed)
    prompt = _prompt(options.prompt)
    if prompt.endswith(" "):
        tell("hint: the prompt ends in a space; GPT-2's tokens begin with their space, so leave it out")
    model = choose_model(options.model, options.revision)
    began = time.perf_counter()
    gpt2, progress = open_model(model, options)
    with gpt2:
        seconds = time.perf_counter() - began
        ids = prompt_ids(prompt, model.tokenizer, options.special)
        steps = gpt2.steps(ids, settings, max_new_tokens=options.max_new_tokens, on_full=options.on_full)
        candidates = _candidates(options, model.tokenizer, progress)
        watched = candidates.watched(steps) if candidates else steps
        streamed = StreamedText(watched, model.tokenizer, stop_texts)
        progress.clear()
        drawn = f"; seed {seed}" if options.temperature else ""  # greedy decoding draws nothing
        tell(f"{model.introduction()}; {options.engine} engine{drawn}")
        if options.json:
            list(streamed.pieces())
            run_on = {"model": model.name, "workers": gpt2.workers}
            report = _report(options, run_on, prompt, ids, seed, seconds, streamed)
            shown = {"candidates": candidates.steps} if candidates else {}
            print(json.dumps(report | shown, ensure_ascii=False))
        else:
            _print_text(streamed, "" if options.no_echo else prompt, progress, whole=candidates is not None)


def _candidates(options: argparse.Namespace, tokenizer: Tokenizer, progress: ProgressLine) -> Candidates | None:
    """Return what watches the steps, and prints a line for each unless they go into the JSON object."""

    def show(line: str) -> None:
        progress.end()
        print(line, flush=True)

    if options.show_candidates is None:
        return None
    return Candidates(tokenizer, options.show_candidates, (lambda _: None) if options.json else show)


def unescaped(text: str) -> str:
    r"""Return `text` with a line feed for \n, a tab for \t and one backslash for two; other backslashes stay.

    >>> unescaped(r"THE END\n\\n\d")
    'THE END\n\\n\\d'
    """
    return re.sub(r"\\([nt\\])", lambda escape: _ESCAPES[escape[1]], text)


def _prompt(argument: str | None) -> str:
    """Return the prompt: the argument, else standard input if something is piped in, else OPENING."""
    if argument is None and (sys.stdin is None or sys.stdin.isatty()):
        return OPENING
    return given_prompt("-" if argument is None else argument)


def _print_text(streamed: StreamedText, echo: str, progress: ProgressLine, whole: bool) -> None:
    """Print the text as it is made; with `whole` all of it at the end, below the lines of the candidates."""
    pieces = streamed.pieces()
    if whole:
        pieces, echo = iter([*pieces]), f"\n{echo}"
    first = next(pieces, "")  # the model reads the prompt here, before the progress line is cleared
    progress.end()
    try:
        for piece in chain([echo, first], pieces):
            sys.stdout.write(piece)
            sys.stdout.flush()
    finally:
        sys.stdout.write("\n")
    if streamed.finish_reason == "context":
        sys.stdout.flush()
        tell("the context is full; --on-full slide continues from its last half")


def _report(
    options: argparse.Namespace,
    run_on: dict[str, Any],
    prompt: str,
    ids: Sequence[int],
    seed: int,
    load: float,
    streamed: StreamedText,
) -> dict[str, Any]:
    names = ("max_new_tokens", "temperature", "top_k", "top_p", "stop", "on_full")
    return {
        "model": run_on["model"],
        "engine": options.engine,
        "precision": options.precision,
        "workers": run_on["workers"],
        "settings": {name: getattr(options, name) for name in names},
        "seed": seed,
        "prompt": prompt,
        "prompt_ids": list(ids),
        **streamed.report(),
        "seconds": {"load": load, "prefill": streamed.prefill, "decode": streamed.decode},
    }
