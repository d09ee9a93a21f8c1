"""Parses the arguments, runs the command, and turns errors into one line and an exit code."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from shlex import quote
from typing import Any, NoReturn

from starchart import __version__
from starchart.errors import StarchartError
from starchart.files.json_file import shown
from starport.terminal.console import Warnings, tell
from starport.terminal.signals import interrupts_held_back
from starport.terminal.suggestions import did_you_mean

# In the order of --help. Each is the module starport/commands/NAME.py (with _ for -), which has SUMMARY,
# add_arguments(parser) and run(options). Only the module of the command that runs is loaded.
COMMANDS = (
    "generate", "explore", "score", "tokenize", "lens", "attention", "contributions", "patch",
    "golden", "train", "train-tokenizer", "convert", "inspect", "cache", "compare",
)  # fmt: skip
# Program names that are followed by the name of a command.
_PROGRAMS = ("starchart", "python -m starport")


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise StarchartError(f"{message}; --help lists the options")

    def _print_message(self, message: str, _: Any = None) -> None:
        sys.stdout.write(message)  # argparse's own method ignores a full disk


def run_command_line(arguments: Sequence[str], program: str) -> int:
    """Run the command and return the exit code: see `starport.cli.main`."""
    if sys.stderr is None:  # the shell closed it: 2>&-
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  it stays open to the end
    if sys.stdout is None:
        return _complain("standard output is closed; there is nowhere to write to")
    logging.getLogger("starchart").handlers = [Warnings()]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        code = _run(arguments, program)
        sys.stdout.flush()
    except StarchartError as error:
        return _complain(_with_option(error))
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
    """Return whether memory ran out. PyTorch raises RuntimeError then."""
    said = str(error)
    return isinstance(error, MemoryError) or "memory" in said or "Storage size calculation overflowed" in said


def _run(arguments: Sequence[str], program: str) -> int:
    try:
        options = _options(_with_dashes(arguments), program)
    except SystemExit:  # --help or --version, which have been printed
        return 0
    return options.run(options) or 0


def _options(arguments: Sequence[str], program: str) -> argparse.Namespace:
    """Return the parsed options. Raises StarchartError for an unknown command or option."""
    first = arguments[0] if arguments else "-"
    if first not in COMMANDS and not first.startswith("-"):
        raise StarchartError(f"no command {shown(first)}; {_command_for(first, program)}")
    parser = _Parser(prog=program, description="GPT-2 in pure Python.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"starchart {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    if first not in COMMANDS:  # --help lists all commands
        for name in COMMANDS:
            _add_command(commands, name, program)
        _refuse_unknown_options(parser, arguments[:1])
        return parser.parse_args(arguments)
    command = _add_command(commands, first, program)
    try:
        _refuse_unknown_options(command, arguments[1:])
        options, left_over = parser.parse_known_args(arguments)
        if left_over:
            raise StarchartError(_superfluous(left_over, command, options))
    except StarchartError as error:
        word = arguments[1] if len(arguments) > 1 else ""
        if program in _PROGRAMS or word not in COMMANDS:
            raise
        path = f"PYTHONPATH={quote(program.removeprefix('python '))} " if program.endswith(".pyz") else ""
        raise StarchartError(f"{error}; for the command {word}: {path}python -m starport {word}") from None
    return options


def _command_for(word: str, program: str) -> str:
    """Return advice for a word that is no command. With a space in it, it is taken for a prompt."""
    if " " in word.strip():
        return f"to continue a text: {program} generate {quote(word)}"
    return did_you_mean(word, COMMANDS) or "--help lists the commands"


def _add_command(commands: Any, name: str, program: str) -> argparse.ArgumentParser:
    with interrupts_held_back():
        command = import_module(f"starport.commands.{name.replace('-', '_')}")
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        prog=f"{program} {name}" if program in _PROGRAMS else program,
        help=command.SUMMARY,
        description=command.SUMMARY,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    parser.set_defaults(run=command.run)
    return parser


def _refuse_unknown_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Raise StarchartError for an unknown option. argparse itself would report a missing argument first."""
    known = parser._option_string_actions
    for argument in arguments[: _end_of_options(arguments)]:
        name = argument.partition("=")[0]
        if name.startswith("--") and name not in known and " " not in argument:  # with a space in it, it is a text
            raise StarchartError(f"no option {shown(name)}; {did_you_mean(name, known) or '--help lists the options'}")


def _superfluous(arguments: Sequence[str], command: argparse.ArgumentParser, options: argparse.Namespace) -> str:
    """Return the message for arguments that are left over, such as the words of a prompt without quotes."""
    for action in command._get_positional_actions():
        if action.nargs == "?" and not any(argument.startswith("-") for argument in arguments):
            words = shown(" ".join([getattr(options, action.dest), *arguments]))
            return f"the {action.dest} is more than one argument; put it in quotes: {words}"
    if arguments[0].startswith("-"):
        return f"no option {shown(arguments[0])}; --help lists the options; write -- before a text that begins with -"
    return f"unexpected arguments: {' '.join(arguments)}; --help shows what this command takes"


def _with_dashes(arguments: Sequence[str]) -> list[str]:
    """Accept --max_new_tokens for --max-new-tokens: transformers writes these names with underscores."""
    end = _end_of_options(arguments)
    return [_with_dashed_name(argument) for argument in arguments[:end]] + list(arguments[end:])


def _end_of_options(arguments: Sequence[str]) -> int:
    return arguments.index("--") if "--" in arguments else len(arguments)


def _with_dashed_name(argument: str) -> str:
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value if name.startswith("--") else argument


def _with_option(error: StarchartError) -> str:
    """Return the message of an error, with --top-k for top_k where it names an argument of a function."""
    name = getattr(error, "setting", "")
    return str(error).replace(name, f"--{name.replace('_', '-')}", 1) if name else str(error)


def _complain(message: str) -> int:
    tell(f"starchart: {message}")
    return 2


def _abandon_output() -> None:
    """Discard what is left in the buffer of standard output: flushing it at exit would fail again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
