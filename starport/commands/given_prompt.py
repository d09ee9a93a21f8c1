"""The prompt of a command: an argument, or standard input, as text and as ids."""

import re

from starchart import Tokenizer
from starchart.errors import GenerationError, TextError
from starchart.files.json_file import shown
from starport.terminal.given_text import argument_text, decoded_text, read_standard_input

_ID = re.compile(r" *-?[0-9]{1,20} *")


def given_prompt(argument: str, name: str = "the prompt") -> str:
    """Return the text of an argument; "-" reads standard input, without its last line end. Raises TextError."""
    if argument != "-":
        return argument_text(argument, name)
    text = decoded_text(read_standard_input(f"give {name} as an argument"), "standard input")
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def prompt_ids(prompt: str, tokenizer: Tokenizer, special: bool) -> list[int]:
    """Return the ids of a prompt; an empty one is <|endoftext|>. Raises GenerationError where no token is that."""
    if prompt:
        return tokenizer.encode(prompt, allow_special=special)
    if tokenizer.end_of_text is None:
        raise GenerationError("an empty prompt starts from <|endoftext|>, and this vocabulary has none; give a prompt")
    return [tokenizer.end_of_text]


def listed_ids(listed: str, option: str) -> list[int]:
    """Return the ids of a list such as 7454,2402 or [7454, 2402]. Raises TextError for a part that is not a number."""
    ids = []
    for part in listed.strip().removeprefix("[").removesuffix("]").split(","):
        if not _ID.fullmatch(part):
            raise TextError(
                f"{option}: {shown(part)} is not a token id; give whole numbers with commas between, such as 7454,2402"
            )
        ids.append(int(part))
    return ids
