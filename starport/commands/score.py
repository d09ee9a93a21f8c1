"""`starchart score`: how well a model predicts texts."""

import argparse
import json
import time
from collections.abc import Sequence
from functools import partial

from starchart.errors import TextError, VocabularyError
from starchart.tokenizer.tokenizer import END_OF_TEXT
from starport.commands.engine_options import add_engine_options
from starport.commands.open_model import ChosenModel, choose_model, open_model
from starport.scoring.documents import decoded_documents, read_documents
from starport.scoring.report import score_report, score_table
from starport.scoring.score import score
from starport.scoring.windows import Recipe
from starport.terminal.console import tell
from starport.terminal.given_text import read_standard_input

SUMMARY = "Score texts: log-likelihood, perplexity per token and bits per byte."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE",
        help=f"UTF-8 text: one document, or several separated by lines that are {END_OF_TEXT}; -: standard input",
    )  # fmt: skip
    add_engine_options(parser)
    add = parser.add_argument
    add("--context", type=int, metavar="N", help="tokens of a window, at most (default: n_positions of the model)")
    add(
        "--stride", type=int, metavar="N",
        help="tokens from the start of a window to that of the next; smaller strides give each token more context and"
        " take more time (default: context - 1)",
    )  # fmt: skip
    add("--json", action="store_true", help="print one JSON object instead of a table")


def run(options: argparse.Namespace) -> None:
    """Read the texts, open the model, print the score. Raises StarchartError for bad input."""
    texts = _read_texts(options.files)
    model = choose_model(options.model, options.revision)
    recipe = _recipe(model, options)
    began = time.perf_counter()
    gpt2, progress = open_model(model, options)
    with gpt2:
        opened = time.perf_counter()
        progress.clear()
        tell(f"{model.introduction()}; {options.engine} engine")
        predict = gpt2.log_probabilities
        scores = {
            name: score(documents, model.tokenizer, predict, recipe, partial(progress, f"scoring {name}:"))
            for name, documents in texts.items()
        }
        seconds = {"load": opened - began, "score": time.perf_counter() - opened}
        workers = gpt2.workers
    progress.end()
    if not options.json:
        print(score_table(scores, recipe))
        return
    report = {
        "model": model.name,
        "engine": options.engine,
        "precision": options.precision,
        "workers": workers,
        **score_report(scores, recipe),
        "seconds": seconds,
    }
    print(json.dumps(report, ensure_ascii=False))


def _read_texts(files: Sequence[str]) -> dict[str, list[str]]:
    """Return the documents of each file, by its name."""
    for file in files:
        if files.count(file) > 1:
            raise TextError(f"{file}: is given twice; give each file once")
    return {file: _standard_input() if file == "-" else read_documents([file]) for file in files}


def _standard_input() -> list[str]:
    return decoded_documents(read_standard_input("give files of text"), "standard input")


def _recipe(model: ChosenModel, options: argparse.Namespace) -> Recipe:
    if model.tokenizer.end_of_text is None:
        raise VocabularyError(
            f"{model.folder}: the vocabulary has no {END_OF_TEXT}, which stands before every document of a score;"
            " score with a model that has one"
        )
    return Recipe.for_model(model.config.n_positions, model.tokenizer.end_of_text, options.context, options.stride)
