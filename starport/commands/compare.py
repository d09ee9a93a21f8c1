"""`starchart compare`: check every component against other libraries and exact arithmetic."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from starchart import Tokenizer
from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.errors import StarchartError, TextError
from starchart.files.regular_file import open_regular_file
from starchart.tokenizer.tokenizer import check_vocabulary
from starport.commands.engine_options import REVISION_HELP
from starport.commands.result_file import check_destination, write_result
from starport.hub.find_model import IN_THE_BOX, find_model
from starport.verify.components import COMPONENTS, WITH_TEXT, WITH_VOCABULARY
from starport.verify.readable_model import readable_model
from starport.verify.report import Cascade, ComponentResult, json_report
from starport.verify.run_checks import require_libraries, run_component

SUMMARY = "Check every component against NumPy, PyTorch, transformers and exact arithmetic."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    add = parser.add_argument
    add("--model", metavar="NAME|DIR", default=IN_THE_BOX, help="the GPT-2 to check (default: %(default)s)")
    add("--revision", metavar="REV", help=REVISION_HELP)
    add(
        "--only", metavar="COMPONENT", action="append", choices=list(COMPONENTS),
        help=f"check only this component: {', '.join(COMPONENTS)} (repeatable)",
    )  # fmt: skip
    add(
        "--json",
        metavar="FILE",
        help="write all results to a file; -: write them to standard output and the table to standard error",
    )
    add(
        "--text", metavar="FILE",
        help="the raw WikiText-2 test set, its lines joined with an empty line between them; adds a check of the"
        " published perplexities of OpenAI's models",
    )  # fmt: skip


class NothingCheckedError(StarchartError):
    """None of the checks that were asked for could be run."""


def run(options: argparse.Namespace) -> int:
    """Print the checks and a table. Return 1 if a check failed, else 0.

    Raises StarchartError for bad input, and where none of the checks could be run.
    """
    names = [name for name in COMPONENTS if name in (options.only or COMPONENTS)]
    require_libraries(names)
    text = _readable(options.text, names)
    check_destination(options.json, "--json")
    model, told = find_model(options.model, options.revision)
    config, _ = load_checkpoint(model)  # a damaged model is bad input, not a failed check
    with_vocabulary = bool(set(names) & set(WITH_VOCABULARY))
    if with_vocabulary:
        check_vocabulary(Tokenizer.from_pretrained(model), config.vocab_size)
    cascade = Cascade(sys.stderr if options.json == "-" else sys.stdout)
    with readable_model(model, with_vocabulary) as (folder, written):
        cascade.title(told + written)
        results = [_run_component(name, folder, text, cascade) for name in names]
    cascade.table(results)
    if options.json:
        write_result(options.json, json.dumps(json_report(options.model, results), ensure_ascii=False, indent=2))
    if not any(result.run for result in results):
        raise NothingCheckedError(f"nothing was checked: {results[0].checks[0].finding.removeprefix('not run: ')}")
    return int(any(result.failed for result in results))


def _run_component(name: str, model: Path, text: Path | None, cascade: Cascade) -> ComponentResult:
    result = ComponentResult(name)
    began = time.perf_counter()
    cascade.component(name)
    for check in run_component(name, model, *([text] if text and name in WITH_TEXT else [])):
        cascade.check(check)
        result.checks.append(check)
    result.seconds = time.perf_counter() - began
    return result


def _readable(text: str | None, names: Sequence[str]) -> Path | None:
    if text is None:
        return None
    if not set(WITH_TEXT) & set(names):
        only = " or ".join(WITH_TEXT)
        raise TextError(f"--text is for the component {only}; leave it out, or add --only {only}")
    try:
        open_regular_file(text).close()
    except OSError as error:
        raise TextError(f"--text {text}: cannot be read: {error.strerror}; give the raw WikiText-2 test set") from None
    return Path(text)
