"""The prompt of a command: an argument, or standard input, as text and as ids."""

from starchart import Tokenizer
from starchart.errors import GenerationError
from starport.terminal.given_text import argument_text, decoded_text, read_standard_input


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
