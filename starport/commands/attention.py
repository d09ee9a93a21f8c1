"""`starchart attention`: how much each token takes from each earlier one, on the terminal or as a drawing."""

import argparse

from starport.commands.explored_model import add_prompt_options, explored_model, print_json, trace_of
from starport.commands.result_file import check_destination, write_result
from starport.explorer.attention_drawing import attention_drawing
from starport.terminal.console import tell
from starport.terminal.tables import columns, columns_that_fit, cut, table, width

SUMMARY = "Show how much each token takes from earlier ones, for the heads of a block; also as SVG."
_TOKEN = 8  # columns of a token
_SHADES = " ░▒▓█"  # below 5 %, to 25 %, to 50 %, to 75 %, above
_LIMITS = (0.05, 0.25, 0.5, 0.75)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    add_prompt_options(parser)
    parser.add_argument("--layer", type=int, required=True, metavar="N", help="the block, from 0")
    parser.add_argument("--head", type=int, metavar="H", help="one head, from 0 (default: all of them, small)")
    parser.add_argument("--svg", metavar="FILE", help="write a drawing to FILE instead; -: standard output")


def run(options: argparse.Namespace) -> None:
    """Print the pattern or write the drawing. Raises StarchartError for bad input."""
    check_destination(options.svg, "--svg")
    with explored_model(options) as ask:
        trace = trace_of(ask, options)
        answer = ask("attention", trace=trace["trace"], layer=options.layer, head=options.head)
    tokens = [token["shown"] for token in trace["tokens"]]
    given = answer["patterns"] if options.head is None else [answer["pattern"]["values"]]
    patterns = [[[float(weight) for weight in row] for row in pattern] for pattern in given]  # NaN comes as a text
    first = options.head or 0
    if options.svg is not None:
        write_result(options.svg, attention_drawing(tokens, patterns, options.layer, first))
        if options.svg != "-":
            heads = f"all {len(patterns)} heads" if options.head is None else f"head {options.head}"
            tell(f"{options.svg}: a drawing of block {options.layer}, {heads}")
    if options.json:
        print_json(options, trace, answer)
    elif options.svg is None and options.head is None:
        print("\n\n".join(_map(tokens, pattern, head) for head, pattern in enumerate(patterns)))
        print("\neach row is a token, each column a token that it takes from")
        print("░ from 5 %   ▒ from 25 %   ▓ from 50 %   █ from 75 %")
    elif options.svg is None:
        print(_numbers(tokens, patterns[0], options))


def _map(tokens: list[str], pattern: list[list[float]], head: int) -> str:
    """Return a small map of a pattern, two columns for every token."""
    room = columns()
    most = len(tokens) if room is None else max(1, (room - _TOKEN - 1) // 2)
    start = max(0, len(tokens) - most)
    rows = [
        [cut(token, _TOKEN), "".join(2 * shade(w) for w in row[start : start + most])]
        for token, row in zip(tokens, pattern, strict=True)
    ]
    return f"head {head}\n" + table([[name, cells] for name, cells in rows[start:]])


def shade(weight: float) -> str:
    """Return a character that is the darker the larger an attention weight is.

    >>> shade(0.0), shade(0.3), shade(1.0)
    (' ', '▒', '█')
    """
    return _SHADES[sum(weight >= limit for limit in _LIMITS)]


def _numbers(tokens: list[str], pattern: list[list[float]], options: argparse.Namespace) -> str:
    names = [cut(token, _TOKEN) for token in tokens]
    rows = [["", *names]]
    for t, row in enumerate(pattern):
        rows.append([names[t], *(f"{100 * weight:.0f}" if s <= t else "" for s, weight in enumerate(row))])
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = columns()
    shown = columns_that_fit(widths[1:], None if room is None else room - widths[0])
    left_out = len(names) - shown
    lines = [
        f"block {options.layer}, head {options.head}, in percent: what each row takes from each column\n",
        table([[row[0], *row[1 + left_out :]] for row in rows], "lr"),
    ]
    if left_out:
        lines.append(f"\nThe first {left_out} columns do not fit: see --svg or --json.")
    return "\n".join(lines)
