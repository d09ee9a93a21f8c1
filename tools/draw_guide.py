"""Draws the pictures of docs/guide from towel's own numbers: `python -m tools.draw_guide`.

All numbers are the reference engine's, so that the drawings are the same on every machine. A test holds them.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from math import fsum, sqrt, ulp
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from starchart import GPT2, Tokenizer  # noqa: E402
from starchart.tap import Recording  # noqa: E402
from starchart.tokenizer.tokenizer import named_vocabulary  # noqa: E402
from starchart.utils.matrix_multiply import dot_product  # noqa: E402
from starchart.utils.softmax import softmax  # noqa: E402
from tools.guide_ink import box, grid, line, picture, shown, signed, words  # noqa: E402

FOLDER = ROOT / "docs" / "guide"
PROMPT = "The old woman had a cat. The old"
OPENING = "Once upon a time there was a"
WORD = " unhappily"
ALIKE = " king, queen, prince, princess, wolf, fox, bear, said, cried, answered, two, three"
LAYER, HEAD = 5, 1
ORDERS = 1000
TEMPERATURES = (0.5, 1.0, 1.5)


@cache
def tokenizer() -> Tokenizer:
    """Return towel's tokenizer."""
    return Tokenizer.from_pretrained("towel")


@cache
def values(prompt: str, tokens: int | None = None) -> Recording:
    """Return every value of a run of the first tokens of a prompt."""
    with GPT2.from_pretrained("towel") as gpt2, Recording() as recording:
        gpt2.logits(tokenizer().encode(prompt)[:tokens], tap=recording)
    return recording


def length(vector: list[float]) -> float:
    """Return the Euclidean length."""
    return sqrt(dot_product(vector, vector))


def merges() -> str:
    """Chapter 1: the bytes of a word, and its merges by rank."""
    vocabulary = named_vocabulary("towel")
    symbols = [vocabulary.byte_ids[byte] for byte in WORD.encode()]
    rows: list[tuple[str, list[int], int]] = [("bytes", list(symbols), -1)]
    while found := [
        (vocabulary.ranks[pair], at) for at, pair in enumerate(pairwise(symbols)) if pair in vocabulary.ranks
    ]:
        rank, at = min(found)
        symbols[at : at + 2] = [vocabulary.merged[rank]]
        rows.append((f"rank {rank}", list(symbols), at))
    marks = []
    for number, (name, row, new) in enumerate(rows):
        y, x = 16 + 30 * number, 110.0
        marks.append(words(96, y + 17, name, "end soft"))
        for place, symbol in enumerate(row):
            text = vocabulary.token_bytes[symbol].decode()
            width = 44.0 * len(text)
            if place == new:
                marks.append(box(x + 2, y, width - 4, 24, "bar", 0.25))
            marks.append(box(x + 2, y, width - 4, 24))
            marks.append(words(x + width / 2, y + 17, shown(text), "middle code" + (" bold" if place == new else "")))
            x += width
    bottom = 16 + 30 * len(rows)
    x = 110.0
    marks.append(words(96, bottom + 14, "ids", "end soft"))
    for symbol in symbols:
        width = 44.0 * len(vocabulary.token_bytes[symbol])
        marks.append(words(x + width / 2, bottom + 14, str(symbol), "middle bold"))
        x += width
    return picture(570, bottom + 30, f"The merges of the word{shown(WORD)}", marks)


def cosines() -> str:
    """Chapter 2: how alike the embeddings of some tokens are."""
    names = ALIKE.split(",")
    with GPT2.from_pretrained("towel") as gpt2:
        rows = [gpt2.weights.row("wte.weight", tokenizer().encode(name)[0]) for name in names]
    table = [[dot_product(a, b) / (length(a) * length(b)) for b in rows] for a in rows]
    marks = grid(90, 34, (52, 28), [[(abs(value), f"{round(value, 2) + 0.0:.2f}") for value in row] for row in table])
    for i, name in enumerate(names):
        marks.append(words(116 + 52 * i, 24, name.strip(), "middle small"))
        marks.append(words(82, 52 + 28 * i, shown(name), "end code"))
    return picture(730, 384, "Cosines between the token embeddings of twelve words", marks)


def attention() -> str:
    """Chapter 3: the pattern of one head."""
    names = [tokenizer().decode([i]) for i in tokenizer().encode(PROMPT)]
    pattern = values(PROMPT)[f"h.{LAYER}.attn.pattern"][HEAD]
    cells = [[(w, f"{100 * w:.0f}") if s <= t else None for s, w in enumerate(row)] for t, row in enumerate(pattern)]
    marks = grid(100, 50, (56, 30), cells)
    for i, name in enumerate(names):
        marks.append(words(128 + 56 * i, 40, shown(name), "middle code small"))
        marks.append(words(92, 69 + 30 * i, shown(name), "end code small"))
    marks += [
        words(100, 18, "columns: the token that is looked at", "soft"),
        words(604, 18, "rows: the token that looks", "end soft"),
    ]
    marks.append(words(604, 340, "percent; hidden cells are later tokens", "end soft small"))
    return picture(616, 352, f"Attention pattern of head {HEAD} of block {LAYER}", marks)


def block() -> str:
    """Chapter 4: the lengths of the vectors of one token in one block."""
    run = values(PROMPT)
    steps = [
        ("resid_pre", "the stream before the block", "bar"),
        ("ln_1", "what attention reads", ""),
        ("attn.c_proj", "what attention adds", "less"),
        ("resid_mid", "the stream between", "bar"),
        ("ln_2", "what the feed-forward network reads", ""),
        ("mlp.c_proj", "what it adds", "less"),
        ("resid_post", "the stream after the block", "bar"),
    ]
    marks = []
    for number, (name, about, kind) in enumerate(steps):
        y, long = 14 + 38 * number, length(run[f"h.{LAYER}.{name}"][8])
        inset = 0 if kind == "bar" else 24
        marks.append(words(16 + inset, y + 15, name, "code bold" if kind == "bar" else "code"))
        marks.append(words(16 + inset, y + 29, about, "soft small"))
        marks.append(box(270, y + 4, 4.4 * long, 22, kind or "bar", 1 if kind else 0.4))
        marks.append(words(278 + 4.4 * long, y + 20, f"{long:.1f}", "bold" if kind == "bar" else ""))
    return picture(650, 290, f"The lengths of the last token's vectors in block {LAYER}", marks)


def lens() -> str:
    """Chapter 5: what the stream says after each block, at each token."""
    ids = tokenizer().encode(PROMPT)
    run = values(PROMPT)
    points = [("before block 0", "h.0.resid_pre"), *((f"after block {n}", f"h.{n}.resid_post") for n in range(6))]
    marks = [words(106, 24, "token", "end soft")]
    with GPT2.from_pretrained("towel") as gpt2:
        rows = [[_best(logits) for logits in gpt2.read_out(run[name])] for _, name in points]
    marks += grid(116, 36, (78, 34), [[(p, shown(tokenizer().decode([v]))) for v, p in row] for row in reversed(rows)])
    for number, (about, _) in enumerate(reversed(points)):
        marks.append(words(106, 57 + 34 * number, about, "end small soft"))
    for i, token in enumerate(ids):
        marks.append(words(155 + 78 * i, 24, shown(tokenizer().decode([token])), "middle code bold"))
    marks.append(words(818, 292, "the fuller a cell, the more probable its token", "end soft small"))
    return picture(830, 304, "The logit lens: the likeliest next token after each block", marks)


def _best(logits: list[float]) -> tuple[int, float]:
    probabilities = softmax(logits)
    largest = max(probabilities)
    return probabilities.index(largest), largest


def temperature() -> str:
    """Chapter 6: the likeliest tokens at three temperatures."""
    logits = values(OPENING)["logits"][-1]
    order = sorted(range(len(logits)), key=lambda v: -logits[v])[:8]
    marks = []
    for column, t in enumerate(TEMPERATURES):
        probabilities = softmax([logit / t for logit in logits])
        x = 90 + 180 * column
        marks.append(words(x, 22, f"T = {t:g}", "bold"))
        for number, token in enumerate(order):
            y, p = 34 + 24 * number, probabilities[token]
            marks.append(box(x, y, max(300 * p, 0.5), 18, "bar"))
            marks.append(words(x + 300 * p + 6, y + 14, f"{100 * p:.1f} %", "small"))
        rest = 1 - fsum(probabilities[token] for token in order)
        marks.append(words(x, 242, f"all others: {100 * rest:.0f} %", "soft small"))
    for number, token in enumerate(order):
        marks.append(words(82, 48 + 24 * number, shown(tokenizer().decode([token])), "end code"))
    return picture(640, 254, f"The likeliest tokens after “{OPENING}” at three temperatures", marks)


def orders() -> str:
    """Chapter 7: the error of a sum of products, added in many orders."""
    run = values(PROMPT, 3)
    (*_, last), logits = run["ln_f"], run["logits"][-1]
    token = logits.index(max(logits))
    with GPT2.from_pretrained("towel") as gpt2:
        products = [a * b for a, b in zip(last, gpt2.weights.row("wte.weight", token), strict=True)]
    counts = Counter(_error(products, seed) for seed in range(ORDERS))
    first, last_error = min(counts), max(counts)
    width = 560 / (last_error - first + 1)
    marks = [line(40, 200, 610, 200)]
    for error in range(first, last_error + 1):
        x, high = 45 + width * (error - first), 160 * counts[error] / max(counts.values())
        marks.append(box(x + 2, 200 - high, width - 4, high, "less" if error == 0 else "bar"))
        marks.append(words(x + width / 2, 194 - high, str(counts[error] or ""), "middle small"))
        marks.append(words(x + width / 2, 216, signed(error), "middle small"))
    marks.append(words(325, 238, "error in ulps", "middle soft"))
    marks.append(words(325, 20, f"{len(products)} products, added in {ORDERS} orders", "middle"))
    return picture(650, 250, "Errors of one sum in many orders", marks)


def _error(products: list[float], seed: int) -> int:
    numbers = list(products)
    random.Random(seed).shuffle(numbers)
    total = 0.0
    for number in numbers:
        total += number
    return round((total - fsum(products)) / ulp(total))


def lanes() -> str:
    """Chapter 8: rows of weights as integers, times numbers, added."""
    x = values(PROMPT)[f"h.{LAYER}.ln_2"][8][:3]
    with GPT2.from_pretrained("towel") as gpt2:
        matrix = [row[:3] for row in gpt2.weights[f"h.{LAYER}.mlp.c_fc.weight"][:3]]
    scale = 99 / max(abs(w) for row in matrix for w in row)
    whole = [[round(w * scale) for w in row] for row in matrix]
    a = [round(number * 99 / max(map(abs, x))) for number in x]
    sums = [sum(number * row[j] for number, row in zip(a, whole, strict=True)) for j in range(3)]
    table = [*zip([*(f"{number} \N{MULTIPLICATION SIGN}" for number in a), "sum"], [*whole, sums], strict=True)]
    marks = [words(190 + 110 * j, 24, f"lane {2 - j}", "middle soft") for j in range(3)]
    marks.append(words(720, 24, "the integer", "end soft"))
    for r, (name, row) in enumerate(table):
        y = 36 + 44 * r + (14 if r == 3 else 0)
        integer = sum(number * 1000000**j for j, number in enumerate(row))
        marks.append(words(122, y + 21, signed(name), "end bold"))
        for j, number in enumerate(reversed(row)):
            marks.append(box(137 + 110 * j, y, 106, 32, "bar", 0.3 if r == 3 else 0.12))
            marks.append(words(190 + 110 * j, y + 21, signed(number), "middle code"))
        marks.append(words(720, y + 21, signed(f"{integer:,}").replace(",", " "), "end code"))
    marks.append(line(137, 172, 720, 172))
    return picture(740, 232, "Three rows of weights as integers, and the product in lanes of six digits", marks)


PICTURES: dict[str, Callable[[], str]] = {
    f"{draw.__name__}.svg": draw for draw in (merges, cosines, attention, block, lens, temperature, orders, lanes)
}


def main(arguments: Any = None) -> None:
    """Write all pictures."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args(arguments)
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8", newline="\n")
    print(f"wrote {len(PICTURES)} pictures in {FOLDER.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
