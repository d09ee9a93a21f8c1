"""`starchart generate`: a prompt in, a text out, streamed as it is made. `run_gpt2.py` is this command."""

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Sequence
from itertools import chain
from typing import Any

from starchart import GPT2, Tokenizer, __version__
from starchart.errors import GenerationError, VocabularyError
from starchart.generation.generate import Limits
from starchart.generation.sampling import SamplingSettings
from starchart.generation.stop_texts import StopTexts
from starport.console import ProgressLine, tell
from starport.hub.find_model import find_model
from starport.streamed_text import StreamedText

SUMMARY = "Go on with a text, one token after another."
OPENING = "Once upon a time"

# Checkpoints pad their vocabulary to a multiple of 64 or 128 for the sake of GPUs; more than that is another
# vocabulary.
_LARGEST_PADDING = 127


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    parser.add_argument(
        "prompt", nargs="?", metavar="PROMPT",
        help=f"text to go on from (after -- if it begins with a dash); -: read standard input, less one final line end;"
        f" none: the same where input is piped, {OPENING!r} on a terminal; empty: begin with the end-of-text token",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"starchart {__version__}")
    add = parser.add_argument
    add("--model", metavar="NAME|DIR", help="a folder, or a model in the Hugging Face cache (default: gpt2)")
    add(
        "--engine", default="packed", choices=["packed", "reference"],
        help="packed: big integers, fast (default); reference: plain lists and exact sums, slow",
    )  # fmt: skip
    add("--precision", default="full", choices=["full", "fast"], help="of packed: full, closer than float32 (default)")
    add(
        "--workers", type=int, metavar="N",
        help="processes that compute, of packed (default: the processors that are free to use, 1 for a small model)",
    )  # fmt: skip
    add("--no-pack-cache", action="store_true", help="do not keep the packed model on disk, and do not look for it")
    add("--max-new-tokens", type=int, default=60, metavar="N", help="default 60")
    add("--temperature", type=float, default=0.8, metavar="T", help="0: always the likeliest token; default 0.8")
    add("--top-k", type=int, default=40, metavar="K", help="draw from the K likeliest tokens; 0: from all; default 40")
    add(
        "--top-p", type=float, default=1.0, metavar="P", help="draw from the likeliest tokens that make up P; default 1"
    )
    add("--seed", type=int, metavar="S", help="the same seed gives the same text; default: random, and printed")
    add("--stop", action="append", default=[], metavar="TEXT", help="end before this text (may be given again)")
    add(
        "--on-full", default="stop", choices=["stop", "slide"],
        help="where the model can read no further: stop (default), or go on from the last half",
    )  # fmt: skip
    add("--no-echo", action="store_true", help="print the continuation without the prompt")
    add("--json", action="store_true", help="print one JSON object instead of text")


def run(options: argparse.Namespace) -> None:
    """Load the model, tell the text, print it. Raises StarchartError for whatever is wrong with the input."""
    stop_texts = StopTexts(options.stop)
    Limits(1, (), options.max_new_tokens, options.on_full)  # refused now rather than after the model is open
    seed = secrets.randbits(32) if options.seed is None else options.seed
    settings = SamplingSettings(options.temperature, options.top_k, options.top_p, seed)
    prompt = _prompt(options.prompt)
    folder, choice = find_model(options.model)
    tokenizer = Tokenizer.from_pretrained(folder)
    progress = ProgressLine(f"{choice}: opening it with the {options.engine} engine")
    began = time.perf_counter()
    with GPT2.from_pretrained(
        folder,
        options.engine,
        precision=options.precision,
        workers=options.workers,
        pack_cache=not options.no_pack_cache,
        progress=progress,
    ) as gpt2:
        seconds = time.perf_counter() - began
        check_vocabulary(tokenizer, gpt2.config.vocab_size)
        ids = _prompt_ids(prompt, tokenizer)
        steps = gpt2.steps(ids, settings, max_new_tokens=options.max_new_tokens, on_full=options.on_full)
        streamed = StreamedText(steps, tokenizer, stop_texts)
        progress.clear()
        tell(f"{choice}; {options.engine} engine; seed {seed}")
        if options.json:
            list(streamed.pieces())
            run_on = {"model": options.model or str(folder), "workers": gpt2.workers}
            report = _report(options, run_on, prompt, ids, seed, seconds, streamed)
            print(json.dumps(report, ensure_ascii=False))
        else:
            _print_text(streamed, "" if options.no_echo else prompt, progress)


def check_vocabulary(tokenizer: Tokenizer, vocab_size: int) -> None:
    """Raise VocabularyError unless the tokenizer's ids are those of a model with `vocab_size` tokens."""
    if not 0 <= vocab_size - tokenizer.vocab_size <= _LARGEST_PADDING:
        raise VocabularyError(
            f"the vocabulary has {tokenizer.vocab_size} tokens and the model {vocab_size}: they do not belong together;"
            " put the model's own vocab.json and merges.txt beside its weights"
        )


def _prompt(argument: str | None) -> str:
    """Return the prompt: the argument, else standard input if something is piped in, else an opening."""
    if argument is not None and argument != "-":
        return _checked_text(os.fsencode(argument), "the prompt")
    if argument is None and (sys.stdin is None or sys.stdin.isatty()):
        return OPENING
    text = _checked_text(_standard_input(), "standard input")
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise GenerationError("standard input is closed; give the prompt as an argument")
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise GenerationError(f"standard input cannot be read: {error.strerror}") from None


def _checked_text(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise GenerationError(
            f"{name} is not UTF-8 text: byte {error.start} is {raw[error.start]:#04x}; convert it first"
        ) from None


def _prompt_ids(prompt: str, tokenizer: Tokenizer) -> list[int]:
    if prompt:
        return tokenizer.encode(prompt)
    if tokenizer.end_of_text is None:
        raise GenerationError(
            "an empty prompt needs <|endoftext|> to begin with, and this vocabulary has none; give a prompt"
        )
    return [tokenizer.end_of_text]


def _print_text(streamed: StreamedText, echo: str, progress: ProgressLine) -> None:
    pieces = streamed.pieces()
    first = next(pieces, "")  # the prompt is read now, while the progress line still has the terminal
    progress.end()
    try:
        for piece in chain([echo, first], pieces):
            sys.stdout.write(piece)
            sys.stdout.flush()
    finally:
        sys.stdout.write("\n")
    if streamed.finish_reason == "context":
        sys.stdout.flush()
        tell("the model can read no further; --on-full slide goes on from the last half")


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
