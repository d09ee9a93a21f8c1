"""`starchart tokenize`: show the tokens of a text and their ids; with --decode the text of ids."""

import argparse
import json
import sys

from starchart import Tokenizer
from starchart.box.boxed_vocabulary import boxed_merges
from starchart.errors import TextError
from starport.commands.engine_options import REVISION_HELP
from starport.commands.given_prompt import listed_ids
from starport.hub.find_model import find_model
from starport.terminal.console import tell
from starport.terminal.given_text import argument_text, decoded_text, read_standard_input

SUMMARY = "Show the tokens of a text and their ids, or decode ids to text."
DEFAULT = "gpt2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    add = parser.add_argument
    add(
        "text", nargs="?", metavar="TEXT",
        help=r"text, used unchanged: \n in it is a backslash and an n (put -- before a text that begins with a dash);"
        " -: standard input, unchanged",
    )  # fmt: skip
    add("--decode", metavar="IDS", help="print the text of these ids, such as 7454,2402,257,640")
    add(
        "--model", metavar="NAME|DIR|FILE", default=DEFAULT,
        help="the model whose vocabulary is used: a name, a folder or a file, as for generate (default: %(default)s;"
        " the vocabulary of gpt2, gpt2-medium, gpt2-large, gpt2-xl and distilgpt2 comes with starchart)",
    )  # fmt: skip
    add("--revision", metavar="REV", help=REVISION_HELP)
    add("--special", action="store_true", help="read <|endoftext|> in TEXT as one token (default: as plain text)")
    add(
        "--json", action="store_true",
        help='print one JSON object, {"ids": [...], "tokens": [...], "text": ...}, with tokens as vocab.json writes'
        ' them: one character for each byte, "Ġupon" for " upon"',
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Print the tokens, or the text of --decode. Raises StarchartError for bad input."""
    if (options.text is None) == (options.decode is None):
        raise TextError("give one of: a text, - for standard input, or --decode IDS")
    if options.decode is not None:
        ids = listed_ids(options.decode, "--decode")
        tokenizer = _tokenizer(options)
        text = tokenizer.decode(ids)
    else:
        text = _text(options.text)
        tokenizer = _tokenizer(options)
        ids = tokenizer.encode(text, allow_special=options.special)
    if options.json:
        print(json.dumps({"ids": ids, "tokens": tokenizer.tokens(ids), "text": text}, ensure_ascii=False))
    elif options.decode is not None:
        print(text)
    else:
        _print_table(tokenizer, ids, text)
    if options.decode is not None and tokenizer.decode_bytes(ids) != text.encode():
        tell("these tokens begin or end inside a character; its bytes are shown as U+FFFD")


def _tokenizer(options: argparse.Namespace) -> Tokenizer:
    if options.revision is None and boxed_merges(options.model):
        return Tokenizer.from_pretrained(options.model)
    return Tokenizer.from_pretrained(find_model(options.model, options.revision)[0])


def _text(argument: str) -> str:
    """Return the text of the argument, or of standard input. Raises TextError if there is none, or it is not UTF-8."""
    if argument == "-":
        name = "standard input"
        text = decoded_text(read_standard_input("give the text as an argument"), name)
    else:
        name = "the text"
        text = argument_text(argument, name)
    if not text:
        raise TextError(f"{name} is empty; give a text")
    return text


def _print_table(tokenizer: Tokenizer, ids: list[int], text: str) -> None:
    """Print a line per token, with its id and its text as a Python literal, then the counts."""
    width = len(str(tokenizer.vocab_size - 1))
    for i in ids:
        sys.stdout.write(f"{i:{width}}  {visible(tokenizer.decode_bytes([i]))}\n")
    counts = {"token": len(ids), "character": len(text), "byte": len(text.encode())}
    print(", ".join(f"{count} {what}{'' if count == 1 else 's'}" for what, count in counts.items()))


def visible(token: bytes) -> str:
    r"""Return the text of a token as a Python literal; a bytes literal if it is only part of a character.

    >>> print(visible(b" upon"), visible(b"\n"), visible("星".encode()), visible(b" \xe2\x98"))
    ' upon' '\n' '星' b' \xe2\x98'
    """
    try:
        return repr(token.decode())
    except UnicodeDecodeError:
        return repr(token)
