"""The console command `starchart`: reads the arguments, runs a command, turns errors into one line and an exit code.

0 done, 1 `compare` found something that fails, 2 something is wrong with the input (one line on standard error says
what and what to do), 130 Ctrl-C.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from starchart import __version__
from starchart.errors import StarchartError
from starport import (
    cache_command,
    compare_command,
    convert_command,
    generate_command,
    inspect_command,
    score_command,
    tokenize_command,
    train_command,
    train_tokenizer_command,
)
from starport.console import Warnings, tell

_COMMANDS = {
    "generate": generate_command,
    "score": score_command,
    "tokenize": tokenize_command,
    "train": train_command,
    "train-tokenizer": train_tokenizer_command,
    "convert": convert_command,
    "inspect": inspect_command,
    "cache": cache_command,
    "compare": compare_command,
}


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        tell(f"starchart: {message}; --help lists the options")
        sys.exit(2)

    def _print_message(self, message: str, _: Any = None) -> None:
        sys.stdout.write(message)  # argparse's own would hide that the disk is full


def main(arguments: Sequence[str] | None = None, program: str = "starchart") -> int:
    """Run the command line and return the exit code. `program` is how the user calls a front door, for --help."""
    if sys.stderr is None:  # closed by the shell: 2>&-
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  it stays open to the end
    if sys.stdout is None:
        return _complain("standard output is closed; there is nowhere to write to")
    logging.getLogger("starchart").handlers = [Warnings()]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments, program)
        sys.stdout.flush()
    except StarchartError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            tell("")  # the shell's prompt goes on a line of its own
        return 130
    except BrokenPipeError:
        _abandon_output()
        return 0
    except OSError as error:
        _abandon_output()
        return _complain(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return _complain("not enough memory; try a smaller model, or smaller batches to train on")
    return code


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether this is what Python, or PyTorch with its RuntimeErrors, says where memory is too short."""
    said = str(error)
    return isinstance(error, MemoryError) or "memory" in said or "Storage size calculation overflowed" in said


def _run(arguments: Sequence[str], program: str) -> int:
    try:
        options = _parser(program).parse_args(_with_dashes(arguments))
    except SystemExit as done:  # --help, --version, or an error that has been printed
        return int(done.code or 0)
    return options.run(options) or 0


def _parser(program: str) -> argparse.ArgumentParser:
    parser = _Parser(prog="starchart", description="GPT-2 in pure Python.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"starchart {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for name, command in _COMMANDS.items():
        described = commands.add_parser(
            name,
            prog=f"starchart {name}" if program == "starchart" else program,
            help=command.SUMMARY,
            description=command.SUMMARY,
            allow_abbrev=False,
        )
        command.add_arguments(described)
        described.set_defaults(run=command.run)
    return parser


def _with_dashes(arguments: Sequence[str]) -> list[str]:
    """Let --max_new_tokens stand for --max-new-tokens: transformers' names are typed from memory."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [_with_dashed_name(argument) for argument in arguments[:end]] + list(arguments[end:])


def _with_dashed_name(argument: str) -> str:
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value if name.startswith("--") else argument


def _complain(message: str) -> int:
    tell(f"starchart: {message}")
    return 2


def _abandon_output() -> None:
    """Send what is left in the buffer of standard output nowhere: flushing it at exit would fail once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
