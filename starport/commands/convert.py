"""`starchart convert`: write a model in another file format."""

import argparse

from starchart.checkpoints.formats import WRITERS
from starport.commands.engine_options import REVISION_HELP
from starport.conversion.convert import DTYPES, Conversion
from starport.hub.find_model import find_model
from starport.terminal.console import ProgressLine, tell
from starport.terminal.signals import cleaning_up_when_terminated

SUMMARY = "Convert a model to another file format or dtype."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    add = parser.add_argument
    add("source", metavar="SOURCE", help="a name, a folder or a file, as for generate")
    add(
        "destination", metavar="DEST",
        help="a folder, or a file with the suffix of the format (.safetensors, .gguf, .bin, .npz); configuration and"
        " vocabulary are written beside it if the format cannot hold them",
    )  # fmt: skip
    add("--revision", metavar="REV", help=REVISION_HELP)
    add("--format", required=True, choices=list(WRITERS), help="the format to write")
    add(
        "--dtype", choices=list(DTYPES),
        help="dtype of the weights (default: that of the source if the format supports it, else f32)",
    )  # fmt: skip
    add("--overwrite", action="store_true", help="replace existing files")


def run(options: argparse.Namespace) -> None:
    """Convert the model. Raises StarchartError if that is not possible; then no file has changed."""
    source, _ = find_model(options.source, options.revision, option="")
    conversion = Conversion.prepared(source, options.destination, options.format, options.dtype, options.overwrite)
    progress = ProgressLine(f"converting {options.source}")
    try:
        with cleaning_up_when_terminated():
            conversion.run(lambda done, total: progress(f"writing {conversion.destination.weights.name}:", done, total))
    finally:
        progress.end()
    for note in conversion.notes:
        tell(note)
    written = conversion.destination.weights
    tell(f"{written}: {conversion.dtype}, {written.stat().st_size / 1e6:.1f} MB")
