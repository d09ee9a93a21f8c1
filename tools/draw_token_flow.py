"""Draws docs/token_flow.svg, the way of a token through GPT-2: `python -m tools.draw_token_flow`.

Every box has a name, the shape of what leaves it, and the file that computes it. A test holds that the files exist.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
DRAWING = ROOT / "docs" / "token_flow.svg"

WIDTH, HEIGHT = 860, 960
STREAM = 240  # x of the residual stream
BRANCH = 600  # x of the layers beside it
BOX_WIDTH, LINE = 340, 18


@dataclass(frozen=True)
class Box:
    """One step: its name, its formula, the shape of its result, and the file below src/starchart that computes it."""

    x: float  # centre
    y: float  # top
    name: str
    formula: str
    shape: str
    file: str

    @property
    def left(self) -> float:
        """Return the x of its left edge."""
        return self.x - BOX_WIDTH / 2

    @property
    def middle(self) -> float:
        """Return the y of its centre."""
        return self.y + 32

    @property
    def bottom(self) -> float:
        """Return the y of its lower edge."""
        return self.y + 64


TOKENIZER = Box(STREAM, 66, "tokenizer", "byte-level BPE", "ids [T]", "tokenizer/tokenizer.py")
EMBEDDINGS = Box(
    STREAM, 168, "input embeddings", "wte[ids] + wpe[positions]", "[T][C]", "embeddings/input_embeddings.py"
)
LN_1 = Box(BRANCH, 284, "ln_1: layer norm", "(x - mean) / deviation · weight + bias", "[T][C]", "utils/layer_norm.py")
ATTENTION = Box(
    BRANCH, 372, "attn: multi-head attention", "softmax(mask(Q Kᵀ / √D)) V", "[T][C]", "layers/multi_head_attention.py"
)
LN_2 = Box(BRANCH, 490, "ln_2: layer norm", "(x - mean) / deviation · weight + bias", "[T][C]", "utils/layer_norm.py")
FEED_FORWARD = Box(BRANCH, 578, "mlp: feed-forward", "GELU(x c_fc) c_proj", "[T][C]", "layers/feed_forward.py")
LN_F = Box(STREAM, 700, "ln_f: layer norm", "(x - mean) / deviation · weight + bias", "[T][C]", "utils/layer_norm.py")
HEAD = Box(STREAM, 788, "output projection", "x wteᵀ", "logits [T][V]", "embeddings/output_projection.py")
SAMPLING = Box(STREAM, 876, "sampling", "temperature, top-k, one draw", "a new id", "generation/sampling.py")
BOXES = (TOKENIZER, EMBEDDINGS, LN_1, ATTENTION, LN_2, FEED_FORWARD, LN_F, HEAD, SAMPLING)

BLOCK = (46, 250, 788, 430)  # x, y, width, height of the panel behind a block
SUMS = (462.0, 664.0)  # y of the two additions to the residual stream
LOOP = 24  # x of the way back


def draw() -> str:
    """Return the drawing."""
    x, y, width, height = BLOCK
    lines = [
        HEAD_OF_FILE.format(width=WIDTH, height=HEIGHT),
        f'<rect class="block" x="{x}" y="{y}" width="{width}" height="{height}" rx="10"/>',
        text(x + 16, y + 26, "transformer block", "room"),
        text(x + 16, y + 26 + LINE, "n_layer times", "note"),
        text(x + 16, y + 26 + 2 * LINE, "layers/transformer_block.py", "file"),
        text(STREAM - 12, 400, "residual stream", "note end"),
        text(STREAM - 12, 400 + LINE, "[T][C]", "file end"),
        text(STREAM, 40, "“Once upon a time”", "text middle"),
        text(SAMPLING.left + BOX_WIDTH + 36, SAMPLING.middle + 5, "“ there”", "text"),
        arrow((STREAM, 46), (STREAM, TOKENIZER.y)),
        arrow((STREAM, TOKENIZER.bottom), (STREAM, EMBEDDINGS.y)),
        arrow((STREAM, EMBEDDINGS.bottom), (STREAM, SUMS[0] - 11)),
        arrow((STREAM, SUMS[0] + 11), (STREAM, SUMS[1] - 11)),
        arrow((STREAM, SUMS[1] + 11), (STREAM, LN_F.y)),
        arrow((STREAM, LN_F.bottom), (STREAM, HEAD.y)),
        arrow((STREAM, HEAD.bottom), (STREAM, SAMPLING.y)),
        arrow((SAMPLING.left + BOX_WIDTH, SAMPLING.middle), (SAMPLING.left + BOX_WIDTH + 30, SAMPLING.middle)),
    ]
    for norm, layer, total in ((LN_1, ATTENTION, SUMS[0]), (LN_2, FEED_FORWARD, SUMS[1])):
        lines += [
            arrow((STREAM, norm.middle), (norm.left, norm.middle)),
            arrow((norm.x, norm.bottom), (norm.x, layer.y)),
            arrow((layer.x, layer.bottom), (layer.x, total), (STREAM + 11, total)),
            f'<circle class="sum" cx="{STREAM}" cy="{total:g}" r="11"/>',
            text(STREAM, total + 5, "+", "room middle"),
        ]
    entry = (TOKENIZER.bottom + EMBEDDINGS.y) / 2
    lines += [
        arrow((SAMPLING.left, SAMPLING.middle), (LOOP, SAMPLING.middle), (LOOP, entry), (STREAM - 2, entry)),
        text(LOOP + 10, entry - 8, "the new id is read next", "note"),
        *(line for box in BOXES for line in draw_box(box)),
    ]
    return "\n".join([*lines, "</svg>", ""])


def draw_box(box: Box) -> Iterator[str]:
    """Yield a step: name, formula and file on the left, the shape of its result on the right."""
    yield f'<rect class="box" x="{box.left:g}" y="{box.y}" width="{BOX_WIDTH}" height="{box.bottom - box.y:g}" rx="6"/>'
    for number, (words, kind) in enumerate(((box.name, "room"), (box.formula, "note"), (box.file, "file"))):
        yield text(box.left + 12, box.y + 19 + LINE * number, words, kind)
    yield text(box.left + BOX_WIDTH - 12, box.y + 19, box.shape, "file end")


def arrow(*points: tuple[float, float]) -> str:
    """Return an arrow along straight lines."""
    path = " L".join(f"{x:g},{y:g}" for x, y in points)
    return f'<path class="arrow" d="M{path}"/>'


def text(x: float, y: float, words: str, kind: str) -> str:
    """Return a line of text."""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(words)}</text>'


HEAD_OF_FILE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>How a token flows through GPT-2, and the file that computes each step</title>
<style>
text {{ font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1b2836 }}
.room {{ font-size: 14px; font-weight: 600 }}
.text {{ font-size: 15px; font-style: italic }}
.note {{ font-size: 12px; fill: #6b7683 }}
.file {{ font: 11px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #3f4d5c }}
.middle {{ text-anchor: middle }}
.end {{ text-anchor: end }}
.box {{ fill: #e2ebf5; stroke: #93a1b0 }}
.block {{ fill: #fafcff; stroke: #d5d9de }}
.sum {{ fill: #f7eed8; stroke: #93a1b0 }}
.arrow {{ fill: none; stroke: #718096; stroke-width: 1.4; marker-end: url(#head) }}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0,0.5 L7.5,4 L0,7.5 z" fill="#718096"/></marker></defs>
<rect width="{width}" height="{height}" rx="14" fill="#ffffff"/>"""

if __name__ == "__main__":
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    DRAWING.write_text(draw(), encoding="utf-8", newline="\n")
    print(f"wrote {DRAWING.relative_to(ROOT)}", file=sys.stderr)
