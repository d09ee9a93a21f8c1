"""Attention patterns as SVG: one head large with tokens on both axes, or all heads of a block small.

Each square is the darker the more its row's token takes from its column's. The scale has one hue, white to dark blue,
so that it can be read without colours too; each square has its value as a title.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from starchart.utils.matrix import Matrix

_LARGE, _SMALL = 26, 7  # points a square
_LETTER = 6.6  # points a letter, in a font of 11
_MOST_LETTERS = 14
_LIGHT, _DARK = (247, 251, 255), (8, 48, 107)
_TOO_MANY = 64  # tokens: from here on a head alone has small squares too


def attention_drawing(tokens: Sequence[str], patterns: Sequence[Matrix], layer: int, first: int) -> str:
    """Return the drawing of some heads of a block, [T][S] each; `first` is the number of the first one."""
    if len(patterns) == 1 and len(tokens) <= _TOO_MANY:
        return _one_head(tokens, patterns[0], f"block {layer}, head {first}")
    side = len(tokens) * _SMALL
    across = min(4, len(patterns))
    parts = []
    for number, pattern in enumerate(patterns):
        x, y = 10 + number % across * (side + 16), 30 + number // across * (side + 30)
        parts.append(_text(x, y - 6, f"head {first + number}"))
        parts.append(_squares(pattern, tokens, x, y, _SMALL))
    rows = (len(patterns) + across - 1) // across
    return _svg(across * (side + 16) + 10, 30 + rows * (side + 30), f"block {layer}", parts)


def _one_head(tokens: Sequence[str], pattern: Matrix, title: str) -> str:
    names = [token if len(token) <= _MOST_LETTERS else token[: _MOST_LETTERS - 1] + "…" for token in tokens]
    margin = 16 + round(_LETTER * max(map(len, names), default=0))
    top = margin + 24
    parts = [_text(10, 18, f"{title}: how much each token (row) takes from each (column)")]
    for place, name in enumerate(names):
        centre = place * _LARGE + _LARGE / 2
        parts.append(_text(margin - 6, top + centre + 4, name, 'text-anchor="end"'))
        x, y = margin + centre + 4, top - 6
        parts.append(_text(x, y, name, f'transform="rotate(-90 {x:g} {y:g})"'))
    parts.append(_squares(pattern, tokens, margin, top, _LARGE))
    side = len(tokens) * _LARGE
    return _svg(max(margin + side + 10, 460), top + side + 10, title, parts)


def _squares(pattern: Matrix, tokens: Sequence[str], left: float, top: float, size: int) -> str:
    """Return the visible squares of a pattern."""
    squares = []
    for t, row in enumerate(pattern):
        for s, weight in enumerate(row[: t + 1]):
            title = escape(f"{tokens[t]} takes {100 * weight:.1f} % from {tokens[s]}")
            place = f'x="{left + s * size:g}" y="{top + t * size:g}" width="{size - 1}" height="{size - 1}"'
            squares.append(f'<rect {place} fill="{colour(weight)}"><title>{title}</title></rect>')
    return "\n".join(squares)


def colour(weight: float) -> str:
    """Return the colour of an attention weight from 0 to 1.

    >>> colour(0.0), colour(1.0)
    ('#f7fbff', '#08306b')
    """
    share = min(1.0, max(0.0, weight))  # a changed run may have others; NaN is light
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(_LIGHT, _DARK, strict=True))


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" {attributes}>{escape(text)}</text>'


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
            f' height="{height:g}" font-family="ui-monospace, monospace" font-size="11" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
            *parts,
            "</svg>",
        ]
    )
