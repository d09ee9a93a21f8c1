"""`starchart inspect`: show what a model contains, and what is wrong with it."""

import argparse
import json

from starport.commands.engine_options import REVISION_HELP
from starport.hub.find_model import find_model
from starport.inspection.inspect import inspect
from starport.inspection.report import inspection_report, inspection_text
from starport.terminal.console import ProgressLine, tell

SUMMARY = (
    "Show the configuration, the tensors and the size of a model, and check it. The exit code is 2 if anything is"
    " wrong. Weights without a vocabulary are not an error."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    parser.add_argument("model", metavar="MODEL", help="a name, a folder or a file, as for generate")
    parser.add_argument("--revision", metavar="REV", help=REVISION_HELP)
    parser.add_argument(
        "--no-values", action="store_true", help="do not read the weights' values (124 million take about a minute)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def run(options: argparse.Namespace) -> int:
    """Print what the model contains, and what is wrong with it. Return 2 if anything is wrong, else 0."""
    model, told = find_model(options.model, options.revision, option="")
    progress = ProgressLine(f"{told}: reading it")
    found = inspect(model, not options.no_values, progress)
    progress.end()
    text = json.dumps(inspection_report(found)) if options.json else inspection_text(found)
    if text:
        print(text, flush=True)
    for fault in found.faults:
        tell(f"starchart: {fault}")
    return 2 if found.faults else 0
