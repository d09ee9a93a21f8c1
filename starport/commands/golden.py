"""`starchart golden`: write every named value of a run to files, to compare a port of GPT-2 with."""

import argparse
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from starchart import Tokenizer, __version__
from starchart.checkpoints.checkpoint import open_tensors
from starchart.model.config import GPT2Config
from starchart.tokenizer.tokenizer import check_vocabulary
from starport.commands.engine_options import add_engine_choice
from starport.commands.given_prompt import given_prompt, listed_ids, prompt_ids
from starport.commands.open_model import open_found_model
from starport.hub.find_model import find_model
from starport.porting.golden import INDEX, Golden
from starport.porting.stored_numbers import DTYPES
from starport.porting.value_files import FORMATS
from starport.terminal.console import tell
from starport.terminal.signals import cleaning_up_when_terminated

SUMMARY = "Write every value of a run to files, to check another implementation of GPT-2 with."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="a name, a folder or a file, as for generate; no vocabulary is needed for --ids")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--prompt", metavar="TEXT", help="text that the model reads, in quotes; -: standard input")
    given.add_argument("--ids", metavar="IDS", help="ids of the tokens that the model reads, such as 7454,2402,257")
    add("--special", action="store_true", help="read <|endoftext|> in --prompt as one token (default: as plain text)")
    add("--out", required=True, metavar="DIR", help=f"the folder to write, new or empty: the values, and {INDEX}")
    add(
        "--new", type=int, default=0, metavar="N",
        help="after the prompt, N greedy steps with the cache, one token each; their values are step.1/wte and so on"
        " (default: %(default)s)",
    )  # fmt: skip
    add(
        "--only", action="append", default=[], metavar="PATTERN",
        help="write only the values whose names match, such as 'h.*.attn.scores' or step.2/logits; may be given several"
        " times; docs/NAMES.md lists the names (default: all)",
    )  # fmt: skip
    add("--format", default="safetensors", choices=list(FORMATS), help="the format to write (default: %(default)s)")
    add(
        "--dtype", default="f64", choices=list(DTYPES),
        help="f64: the numbers as they are; f32: each rounded once (default: %(default)s)",
    )  # fmt: skip
    add_engine_choice(parser, "reference")


def run(options: argparse.Namespace) -> None:
    """Write the folder. Raises StarchartError for bad input; then nothing is written."""
    folder, told = find_model(options.model, options.revision, option="")
    config, _ = open_tensors(folder)  # the configuration fits the tensors: no list is longer than the file allows
    prompt, ids = _given(options, folder, config)
    golden = Golden.planned(
        config, ids, options.out,
        steps=options.new, dtype=options.dtype, format_name=options.format, only=options.only,
    )  # fmt: skip
    gpt2, progress = open_found_model(folder, told, options)
    with gpt2:
        progress.clear()
        tell(f"{told}; {options.engine} engine")
        about = {
            "model": options.model,
            "engine": options.engine,
            "precision": options.precision,
            "versions": _versions(options.engine),
            "prompt": prompt,
        }
        try:
            with cleaning_up_when_terminated():
                golden.write(gpt2, about, progress)
        finally:
            progress.end()
    count, size = len(golden.shapes), sum(file.stat().st_size for file in golden.folder.rglob("*") if file.is_file())
    tell(f"{options.out}: {count} value{'s' * (count != 1)}, {golden.dtype}, {size / 1e6:.1f} MB")


def _given(options: argparse.Namespace, folder: Path, config: GPT2Config) -> tuple[str | None, list[int]]:
    """Return the prompt, None with --ids, and the ids that the model reads."""
    if options.prompt is None:
        return None, listed_ids(options.ids, "--ids")
    prompt = given_prompt(options.prompt, "--prompt")
    tokenizer = Tokenizer.from_pretrained(folder)
    check_vocabulary(tokenizer, config.vocab_size)
    return prompt, prompt_ids(prompt, tokenizer, options.special)


def _versions(engine: str) -> dict[str, Any]:
    """Return the versions of what computes."""
    versions = {"starchart": __version__, "python": platform.python_version()}
    return versions | ({"torch": metadata.version("torch")} if engine == "torch" else {})
