"""`starchart lens`: the logit lens, which token the model would give if it stopped early."""

import argparse
from typing import Any

from starchart.errors import RequestError
from starport.commands.explored_model import add_prompt_options, explored_model, position_of, print_json, trace_of
from starport.terminal.tables import columns, columns_that_fit, cut, table, width

SUMMARY = "Show the likeliest next token at each point of the residual stream (logit lens)."
_TOKEN = 12  # columns of a token
_TOP = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    add_prompt_options(parser)
    parser.add_argument(
        "--position", type=int, metavar="N",
        help="show the likeliest tokens after this position alone, with probabilities; 0: the first, -1: the last"
        " (default: the likeliest token after every position)",
    )  # fmt: skip
    parser.add_argument("--top", type=int, metavar="K", help=f"tokens for --position and --json (default: {_TOP})")


def run(options: argparse.Namespace) -> None:
    """Print the lens. Raises StarchartError for bad input."""
    top = _top(options)
    with explored_model(options) as ask:
        trace = trace_of(ask, options)
        position = None if options.position is None else position_of(options.position, len(trace["ids"]))
        answer = ask("lens", trace=trace["trace"], top=top, position=position)
    points = [point for number, point in enumerate(answer["points"]) if not number or not _is_before(point["name"])]
    if options.json:
        print_json(options, trace, answer)
    elif position is None:
        print(_grid(trace["tokens"], points))
    else:
        print(_list(trace["tokens"][position], points))


def _top(options: argparse.Namespace) -> int:
    """Return how many tokens are asked for. Raises RequestError for --top where it would change nothing."""
    if options.top is None:
        return _TOP
    if options.top < 1:
        raise RequestError(f"--top {options.top}: it must be at least 1")
    if options.position is None and not options.json:
        raise RequestError(
            f"--top {options.top}: the table of all positions has one token each; add --position or --json"
        )
    return int(options.top)


def _is_before(point: str) -> bool:
    """Return whether this is the stream before a block: after the first one, that is what the block before it wrote."""
    return point.endswith("resid_pre")


def _grid(tokens: list[dict[str, Any]], points: list[dict[str, Any]]) -> str:
    """Return a row for each point, a column for each position: the likeliest token."""
    rows = [["", *(token["shown"] for token in tokens)]]
    for point in points:
        likeliest = [place["tokens"][0]["token"]["shown"] if place["tokens"] else "" for place in point["positions"]]
        rows.append([point["name"], *likeliest])
    rows = [[row[0], *(cut(cell, _TOKEN) for cell in row[1:])] for row in rows]
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = columns()
    shown = columns_that_fit(widths[1:], None if room is None else room - widths[0])
    left_out = len(tokens) - shown
    lines = [table([[row[0], *row[1 + left_out :]] for row in rows])]
    if left_out:
        lines.append(f"\nThe first {left_out} positions do not fit: see --position or --json.")
    return "\n".join(lines)


def _list(token: dict[str, Any], points: list[dict[str, Any]]) -> str:
    """Return a row for each point: the likeliest tokens after one position, with their probabilities."""
    rows = []
    for point in points:
        cells = [point["name"]]
        for each in point["positions"][0]["tokens"]:
            cells += [cut(each["token"]["shown"], _TOKEN), percent(float(each["probability"]))]
        rows.append(cells)
    count = (len(rows[0]) - 1) // 2
    return f"after {token['shown']}\n\n" + table(rows, "l" + "lr" * count)


def percent(share: float) -> str:
    """Return a share in percent: 0.1234 as 12.3%."""
    return f"{100 * share:.1f}%"
