"""The part of Markdown that the chapters use, as plain data that a page can show without HTML.

A block is {"kind": ...}: heading, paragraph, list, quote, table, picture, code, details. Text is a list of pieces:
text, code, strong, em, link. Lines of one paragraph are joined. Anything else is a paragraph, as it is written.
"""

import re
from collections.abc import Iterator
from typing import Any

Data = dict[str, Any]

_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\*(?P<em>[^*\s][^*]*)\*|\[(?P<link>[^\]]+)\]\((?P<href>[^)\s]+)\)"
)
_PICTURE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<source>[\w.-]+\.svg)\)")
_ITEM = re.compile(r"(?P<mark>[-*]|\d+\.) +(?P<text>.*)")
_CHAPTER = re.compile(r"(\d-[\w-]+)\.md")
_SUMMARY = re.compile(r"<summary>(.*)</summary>")


def blocks(text: str) -> list[Data]:
    """Return the blocks of a chapter. Code that can be run, Python with the prompt >>>, is numbered from 0.

    >>> blocks("# A *star*")
    [{'kind': 'heading', 'level': 1, 'text': [{'kind': 'text', 'text': 'A '}, {'kind': 'em', 'text': 'star'}]}]
    """
    found = list(_blocks(text.splitlines()))
    runnable = (block for block in _all(found) if block["kind"] == "code" and ">>> " in block["text"])
    for number, block in enumerate(runnable):
        block["number"] = number
    return found


def inline(text: str) -> list[Data]:
    """Return the pieces of a text. The address of a view, written as code, is a link to it; so is another chapter.

    A link that leads to another file of the repository is plain text: a page has none.

    >>> inline("Open `#view=map`")
    [{'kind': 'text', 'text': 'Open '}, {'kind': 'link', 'text': 'this view', 'href': '#view=map'}]
    >>> inline("[attention](3-attention.md)")
    [{'kind': 'link', 'text': 'attention', 'href': '#view=guide&chapter=3-attention'}]
    """
    pieces: list[Data] = []
    at = 0
    for match in _INLINE.finditer(text):
        pieces.append({"kind": "text", "text": text[at : match.start()]})
        pieces.append(_piece(match))
        at = match.end()
    pieces.append({"kind": "text", "text": text[at:]})
    return [piece for piece in pieces if piece["text"]]


def _piece(match: re.Match[str]) -> Data:
    kind = match.lastgroup or ""
    if kind == "code" and match["code"].startswith("#") and "view=" in match["code"]:
        return {"kind": "link", "text": "this view", "href": match["code"]}
    if kind != "href":
        return {"kind": kind, "text": match[kind]}
    if chapter := _CHAPTER.fullmatch(match["href"]):
        return {"kind": "link", "text": match["link"], "href": f"#view=guide&chapter={chapter[1]}"}
    if match["href"].startswith(("#", "https://")):
        return {"kind": "link", "text": match["link"], "href": match["href"]}
    return {"kind": "text", "text": match["link"].replace("`", "")}


def _all(found: list[Data]) -> Iterator[Data]:
    for block in found:
        yield block
        yield from _all(block.get("blocks", []))


def _blocks(lines: list[str]) -> Iterator[Data]:
    rest = lines
    while rest:
        line = rest[0]
        if not line.strip():
            rest = rest[1:]
        elif line.startswith("```"):
            inside, rest = _until(rest[1:], lambda it: it.startswith("```"))
            yield {"kind": "code", "text": "\n".join(inside)}
        elif line.startswith("<details>"):
            inside, rest = _until(rest[1:], lambda it: it.startswith("</details>"))
            summary = _SUMMARY.search("\n".join([line, *inside]))
            kept = [it for it in inside if not _SUMMARY.search(it)]
            yield {
                "kind": "details", "summary": inline(summary[1] if summary else "more"), "blocks": [*_blocks(kept)],
            }  # fmt: skip
        else:
            several, rest = _paragraph(rest)
            yield _block(several)


def _until(lines: list[str], is_end: Any) -> tuple[list[str], list[str]]:
    """Return the lines before the first that ends, and those after it."""
    at = next((i for i, line in enumerate(lines) if is_end(line)), len(lines))
    return lines[:at], lines[at + 1 :]


def _paragraph(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return lines that belong together, and those after them."""
    if lines[0].startswith("#"):
        return lines[:1], lines[1:]
    ends = (i for i, line in enumerate(lines) if not line.strip() or line.startswith(("```", "<details>", "#")))
    at = next(ends, len(lines))
    return lines[:at], lines[at:]


def _block(lines: list[str]) -> Data:
    text = " ".join(line.strip() for line in lines)
    if heading := re.match(r"(#+) +(.*)", text):
        return {"kind": "heading", "level": len(heading[1]), "text": inline(heading[2])}
    if picture := _PICTURE.fullmatch(text):
        return {"kind": "picture", "text": picture["text"], "source": f"guide/{picture['source']}"}
    if lines[0].startswith(">"):
        return {"kind": "quote", "text": inline(" ".join(line.lstrip("> ") for line in lines))}
    if lines[0].startswith("|") and len(lines) > 1 and re.fullmatch(r"[|:\- ]+", lines[1]):
        head, _, *rows = [[inline(cell.strip()) for cell in line.strip().strip("|").split("|")] for line in lines]
        return {"kind": "table", "head": head, "rows": rows}
    if first := _ITEM.match(lines[0]):
        number = first["mark"].removesuffix(".")
        start = int(number) if number.isdigit() else None
        return {"kind": "list", "ordered": start is not None, "start": start, "items": _items(lines)}
    return {"kind": "paragraph", "text": inline(text)}


def _items(lines: list[str]) -> list[list[Data]]:
    items: list[str] = []
    for line in lines:
        if match := _ITEM.match(line):
            items.append(match["text"])
        else:
            items[-1] += f" {line.strip()}"
    return [inline(item) for item in items]
