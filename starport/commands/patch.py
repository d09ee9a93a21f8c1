"""`starchart patch`: at which block and position two prompts differ in what the model says next."""

import argparse
import json
from typing import Any

from starchart.lens.patching import KINDS
from starport.commands.explored_model import add_shared_options, explored_model
from starport.commands.given_prompt import given_prompt
from starport.terminal.tables import columns, columns_that_fit, cut, table, width

SUMMARY = "Replace values of one prompt's run by those of another's, and show the effect on two logits."
_TOKEN = 10  # columns of a token


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    add = parser.add_argument
    add("clean", metavar="FIRST", help="the first prompt, after which ANSWER is right")
    add("corrupt", metavar="SECOND", help="the second prompt, with equally many tokens, after which WRONG is right")
    add("--answer", required=True, metavar="TEXT", help='a text of one token, such as " queen"')
    add("--wrong", required=True, metavar="TEXT", help='another one, such as " king"')
    add(
        "--kind", default=KINDS[0], choices=KINDS,
        help="what is patched: h.N.KIND of every block N (default: %(default)s, the residual stream before the block)",
    )  # fmt: skip
    add_shared_options(parser)


def run(options: argparse.Namespace) -> None:
    """Print the effects. Raises StarchartError for bad input."""
    clean, corrupt = given_prompt(options.clean, "the first prompt"), given_prompt(options.corrupt, "the second prompt")
    with explored_model(options) as ask:
        answer = ask(
            "sweep", clean=clean, corrupt=corrupt, answer=options.answer, wrong=options.wrong, kind=options.kind,
            special=options.special,
        )  # fmt: skip
    if options.json:
        ran = {"model": options.model, "engine": options.engine, "precision": options.precision}
        print(json.dumps(ran | answer, ensure_ascii=False))
    else:
        print(_table(answer))


def _table(answer: dict[str, Any]) -> str:
    """Return a row for each block, a column for each position: how much of the difference a patch restores."""
    clean, corrupt = float(answer["clean"]["difference"]), float(answer["corrupt"]["difference"])
    names = [_changed(*pair) for pair in zip(answer["corrupt"]["tokens"], answer["clean"]["tokens"], strict=True)]
    rows = [["", *(cut(name, 2 * _TOKEN) for name in names)]]
    for block, effects in enumerate(answer["differences"]):
        rows.append([f"block {block}", *(_share(float(effect), clean, corrupt) for effect in effects)])
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = columns()
    shown = columns_that_fit(widths[1:], None if room is None else room - widths[0])
    left_out = len(names) - shown
    first, second = answer["answer"]["shown"], answer["wrong"]["shown"]
    is_equal = clean == corrupt
    lines = [
        f"logit of {first} minus logit of {second}",
        f"{clean:+.3f} after the first prompt, {corrupt:+.3f} after the second;",
        "there is no difference to bring back: the table has logit differences, with"
        if is_equal
        else "how much of the difference comes back with",
        f"one position of h.N.{answer['kind']} of the second prompt patched from the first:\n",
        table([[row[0], *row[1 + left_out :]] for row in rows], "lr"),
    ]
    if left_out:
        lines.append(f"\nThe first {left_out} positions do not fit: see --json.")
    return "\n".join(lines)


def _changed(corrupt: dict[str, Any], clean: dict[str, Any]) -> str:
    """Return a token of the second prompt, with that of the first one where it is another."""
    ours, theirs = cut(corrupt["shown"], _TOKEN), cut(clean["shown"], _TOKEN)
    return ours if corrupt["id"] == clean["id"] else f"{ours}<-{theirs}"


def _share(effect: float, clean: float, corrupt: float) -> str:
    """Return the share of the difference that a patch brings back; the logit difference itself where there is none."""
    if clean == corrupt:
        return f"{effect:+.3f}"
    share = f"{100 * (effect - corrupt) / (clean - corrupt):.0f}%"
    return "0%" if share == "-0%" else share
