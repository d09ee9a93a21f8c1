"""What the pictures of the Guide are drawn with: SVG that follows the reader's light or dark theme."""

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">
<title>{title}</title>
<style>
:root {{ --paper: #fffdf7; --ink: #17202c; --soft: #55606d; --line: #d3c9b2; --bar: #1c4a73; --less: #8a5a00 }}
@media (prefers-color-scheme: dark) {{
:root {{ --paper: #161b24; --ink: #ece5d5; --soft: #a9a494; --line: #3a4250; --bar: #9cc6ec; --less: #e0b354 }} }}
text {{ font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink) }}
.code {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace }}
.small {{ font-size: 11px }}
.soft {{ fill: var(--soft) }}
.bold {{ font-weight: 600 }}
.middle {{ text-anchor: middle }}
.end {{ text-anchor: end }}
.on {{ fill: var(--paper) }}
.less {{ fill: var(--less) }}
.paper {{ fill: var(--paper) }}
.bar {{ fill: var(--bar) }}
.box {{ fill: none; stroke: var(--line) }}
.rule {{ stroke: var(--line); fill: none }}
.arrow {{ stroke: var(--soft); stroke-width: 1.4; fill: none }}
.hidden {{ fill: var(--line); fill-opacity: .35 }}
</style>
<rect class="paper" width="{width:g}" height="{height:g}" rx="10"/>"""

STRONG = 0.55  # from here on a cell is so full that its text must have the colour of the paper


def picture(width: float, height: float, title: str, marks: Iterable[str]) -> str:
    """Return a drawing."""
    return "\n".join([_HEAD.format(width=width, height=height, title=escape(title)), *marks, "</svg>", ""])


def words(x: float, y: float, text: str, kind: str = "") -> str:
    """Return a line of text at its baseline; `kind` are classes of the style."""
    return f'<text{_class(kind)} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def box(x: float, y: float, width: float, height: float, kind: str = "box", opacity: float = 1) -> str:
    """Return a rectangle. As a bar it may be faint, which stands for a small number."""
    faint = f' fill-opacity="{opacity:.2f}"' if opacity < 1 else ""
    return f'<rect{_class(kind)} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"{faint}/>'


def line(x: float, y: float, to_x: float, to_y: float, kind: str = "rule") -> str:
    """Return a straight line."""
    return f'<path{_class(kind)} d="M{x:.1f},{y:.1f} L{to_x:.1f},{to_y:.1f}"/>'


def cell(x: float, y: float, width: float, height: float, share: float, text: str, kind: str = "") -> str:
    """Return a cell of a heat map, full at a share of 1, with a text in its middle."""
    on = "on" if share > STRONG else ""
    return "\n".join(
        [
            box(x + 1, y + 1, width - 2, height - 2, "bar", max(share, 0.0)),
            words(x + width / 2, y + height / 2 + 4, text, f"middle small {on} {kind}"),
        ]
    )


def grid(
    x: float, y: float, size: tuple[float, float], rows: Sequence[Sequence[tuple[float, str] | None]]
) -> list[str]:
    """Return a heat map: a share and a text in each cell; None is a cell that is hidden."""
    width, height = size
    drawn = []
    for r, row in enumerate(rows):
        for c, entry in enumerate(row):
            at = (x + c * width, y + r * height)
            drawn.append(
                cell(*at, width, height, *entry)
                if entry
                else box(at[0] + 1, at[1] + 1, width - 2, height - 2, "hidden")
            )
    return drawn


def shown(token: str) -> str:
    """Return the text of a token with its spaces and line ends visible."""
    return token.replace(" ", "␣").replace("\n", "↵")


def signed(text: object) -> str:
    """Return a number with a minus sign as wide as a digit.

    >>> len(signed(-12))
    3
    """
    return str(text).replace("-", "\N{MINUS SIGN}")


def _class(kind: str) -> str:
    kind = " ".join(kind.split())
    return f' class="{kind}"' if kind else ""
