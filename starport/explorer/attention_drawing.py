"""Attention patterns as SVG, tokens on both axes: one head large, or all heads of a block smaller.

Each square is the darker the more its row's token takes from its column's. The scale has one hue, white to dark blue,
so that it can be read without colours too; each square has its value as a title.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from starchart.utils.matrix import Matrix

_LETTER = 0.6  # of the size of a font, the width of a letter
_FONT = 11
_MOST_LETTERS = 14
_LIGHT, _DARK = (247, 251, 255), (8, 48, 107)
_ACROSS = 4  # heads beside one another
_GAP = 16
_WIDEST_TITLE = 460


def attention_drawing(tokens: Sequence[str], patterns: Sequence[Matrix], layer: int, first: int) -> str:
    """Return the drawing of some heads of a block, [T][S] each; `first` is the number of the first one."""
    size = _square(len(tokens), len(patterns))
    font = min(_FONT, size)
    names = [token if len(token) <= _MOST_LETTERS else token[: _MOST_LETTERS - 1] + "…" for token in tokens]
    margin = _GAP + round(_LETTER * font * max(map(len, names), default=0))  # for the names of the tokens
    side = margin + len(tokens) * size + _GAP
    across, alone = min(_ACROSS, len(patterns)), len(patterns) == 1
    title = f"block {layer}, head {first}" if alone else f"block {layer}"
    parts = [_text(10, 18, f"{title}: how much each token (row) takes from each (column)")]
    for number, pattern in enumerate(patterns):
        x, y = number % across * side, 24 + number // across * (side + 20)
        if not alone:
            parts.append(_text(x + margin, y + 16, f"head {first + number}"))
        top = y + margin + (0 if alone else 20)
        parts += [*_names(names, x + margin, top, size, font), _squares(pattern, tokens, x + margin, top, size)]
    rows = (len(patterns) + across - 1) // across
    return _svg(max(across * side, _WIDEST_TITLE), 24 + rows * (side + 20), title, parts)


def _square(tokens: int, heads: int) -> int:
    """Return the points of a square: smaller ones for more tokens, and where heads are beside one another."""
    if heads == 1:
        return 26 if tokens <= 64 else 7
    return 20 if tokens <= 12 else 14 if tokens <= 32 else 7


def _names(names: Sequence[str], left: float, top: float, size: int, font: int) -> list[str]:
    """Return the names of the tokens, beside the rows and above the columns of a pattern."""
    parts, style = [], f'font-size="{font}"'
    for place, name in enumerate(names):
        centre = (place + 0.5) * size + 0.35 * font
        parts.append(_text(left - 6, top + centre, name, f'{style} text-anchor="end"'))
        x, y = left + centre, top - 6
        parts.append(_text(x, y, name, f'{style} transform="rotate(-90 {x:g} {y:g})"'))
    return parts


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
            f' height="{height:g}" font-family="ui-monospace, monospace" font-size="{_FONT}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
            *parts,
            "</svg>",
        ]
    )
