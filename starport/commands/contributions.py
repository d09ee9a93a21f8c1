"""`starchart contributions`: by how much each part of the model raises the logit of one token."""

import argparse
from math import fsum, isfinite
from typing import Any

from starport.commands.explored_model import add_prompt_options, explored_model, position_of, print_json, trace_of
from starport.terminal.tables import table

SUMMARY = "Show what each head, feed-forward network, bias and embedding adds to the logit of a token."
_BAR = 24  # columns of the longest bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    add_prompt_options(parser)
    parser.add_argument(
        "--token", metavar="TEXT", help='a text of one token, such as " king" (default: the likeliest next token)'
    )
    parser.add_argument(
        "--position", type=int, default=-1, metavar="N", help="after this token; 0 is the first (default: -1, the last)"
    )
    parser.add_argument(
        "--top", type=int, default=20, metavar="K", help="the K largest; 0: all, in order (default: 20)"
    )


def run(options: argparse.Namespace) -> None:
    """Print the contributions. Raises StarchartError for bad input."""
    with explored_model(options) as ask:
        trace = trace_of(ask, options)
        position = position_of(options.position, len(trace["ids"]))
        token = options.token
        if token is None:
            token = ask("next", trace=trace["trace"], position=position, temperature=0, limit=0)["drawn"]["token"]["id"]
        answer = ask("contributions", trace=trace["trace"], position=position, token=token)
    if options.json:
        print_json(options, trace, answer)
    else:
        print(_table(trace["tokens"][position], answer, max(0, options.top)))


def _table(after: dict[str, Any], answer: dict[str, Any], top: int) -> str:
    parts = [part | {"value": float(part["value"])} for part in answer["parts"]]
    if top:
        parts = sorted(parts, key=lambda part: -abs(part["value"]))
    shown = parts[:top] if top else parts
    largest = max((abs(part["value"]) for part in shown), default=0.0)
    rows = [[part["label"], f"{part['value']:+.4f}", bar(part["value"], largest)] for part in shown]
    if rest := [part["value"] for part in parts[len(shown) :]]:
        rows.append([f"{len(rest)} smaller ones", f"{fsum(rest):+.4f}", ""])
    if answer["rounding"]:
        rows.append(["rounding", f"{float(answer['rounding']):+.1e}", ""])
    rows.append(["logit", f"{float(answer['logit']):+.4f}", ""])
    heading = f"what raises the logit of {answer['token']['shown']} after {after['shown']}"
    return f"{heading}\n\n{table(rows, 'lrl')}"


def bar(value: float, largest: float) -> str:
    """Return a bar as long as `value` is large: solid where it raises the logit, light where it lowers it."""
    share = abs(value) / largest if largest else 0.0
    length = round(_BAR * share) if isfinite(share) else 0
    return ("█" if value > 0 else "░") * length
