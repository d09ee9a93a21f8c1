"""Questions about the Guide, asked as those of starport/explorer are: which chapters, what is in one, run its code."""

import doctest
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from starport.guide import chapters
from starport.guide.markdown import Data, blocks


def _chapters(request: Data) -> Data:  # noqa: ARG001  it has no fields
    return {"chapters": [{"name": name, "title": _title(text)} for name, text in chapters.chapter_texts().items()]}


def _title(text: str) -> str:
    heading = next((block for block in blocks(text) if block["kind"] == "heading"), None)
    return "".join(piece["text"] for piece in heading["text"]) if heading else ""


def _chapter(request: Data) -> Data:
    texts = chapters.chapter_texts()
    name = request.get("name")
    if not isinstance(name, str) or name not in texts:
        return {"error": f"there is no such chapter; there are {', '.join(texts) or 'none'}"}
    return {"name": name, "title": _title(texts[name]), "blocks": blocks(texts[name])}


def _run_code(request: Data) -> Data:
    """Run code of a chapter, which is fixed: only its name and number come from outside."""
    texts = chapters.chapter_texts()
    name, number = request.get("chapter"), request.get("number")
    if not isinstance(name, str) or name not in texts:
        return {"error": f"there is no such chapter; there are {', '.join(texts) or 'none'}"}
    codes = code_blocks(texts[name])
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(codes):
        return {"error": f"this chapter has {len(codes)} pieces of code, which count from 0"}
    return run_code(tuple(codes[: number + 1]))


def code_blocks(text: str) -> list[str]:
    """Return the code of a chapter that can be run, in its order."""
    found: list[str] = []

    def walk(inside: list[Data]) -> None:
        for block in inside:
            if "number" in block:
                found.append(block["text"])
            walk(block.get("blocks", []))

    walk(blocks(text))
    return found


@lru_cache(maxsize=64)
def run_code(codes: tuple[str, ...]) -> Data:
    r"""Run pieces of code one after another, as doctest does. `output` is what the last one prints.

    `same` says whether that is what the chapter shows.

    >>> run_code((">>> a = 2", ">>> a + 1\n3"))
    {'output': '>>> a + 1\n3\n', 'same': True}
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    parser, runner = doctest.DocTestParser(), _Runner()
    for code in codes:
        runner.lines = []
        test = parser.get_doctest(code + "\n", names, "the chapter", None, 0)
        failed, _ = runner.run(test, out=lambda _: None, clear_globs=False)
        names = test.globs
    return {"output": "".join(runner.lines), "same": failed == 0}


class _Runner(doctest.DocTestRunner):
    """Runs examples and keeps each with what it has printed."""

    def __init__(self) -> None:
        super().__init__(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        self.lines: list[str] = []

    def _note(self, example: doctest.Example, printed: str) -> None:
        first, *more = example.source.splitlines()
        self.lines += [f">>> {first}\n", *(f"... {line}\n" for line in more), printed]

    def report_success(self, *what: Any) -> None:
        """Keep what was printed."""
        _, _, example, got = what
        self._note(example, got)

    def report_failure(self, *what: Any) -> None:
        """Keep what was printed, which is not what the chapter shows."""
        self.report_success(*what)

    def report_unexpected_exception(self, *what: Any) -> None:
        """Keep the exception in one line."""
        _, _, example, (kind, error, _) = what
        self._note(example, f"{kind.__name__}: {error}\n")


QUESTIONS: dict[str, Callable[[Data], Data]] = {"chapters": _chapters, "chapter": _chapter, "run_code": _run_code}
