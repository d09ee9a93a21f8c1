"""The numbers that a page shows, and what they must be: what the explorer answers in a process of its own."""

import re
from typing import Any

# The prose of the Guide's chapters has numbers too; its own tests hold those.
OTHERS = "[data-value], [data-setting], pre, .formula, .status, script, noscript, .word, .token, .operands th, .chapter"
READ = """() => {
  const shown = [...document.querySelectorAll("[data-name]")].map((it) => ({
    name: it.dataset.name, index: it.dataset.index, value: it.dataset.value, text: it.textContent,
    clean: it.closest("[data-run=clean]") !== null,
  }));
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const bare = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const home = node.parentElement;
    if (!home.closest(OTHERS) && home.checkVisibility()) bare.push(node.textContent);
  }
  return { shown, bare };
}""".replace("OTHERS", f'"{OTHERS}"')
# A decimal fraction, a percentage or a power of ten is a number of the model, unless it is an example in a caption.
NUMBER = re.compile(r"\d\.\d|\d\s?%|·10")
SECTION = re.compile(r"\bsection \d+\.\d+")  # of a paper that a chapter names


def read(page: Any) -> list[dict[str, Any]]:
    """Return the numbers that a page shows; a number of the model that does not say which it is fails."""
    found = page.evaluate(READ)
    bare = [text for text in found["bare"] if NUMBER.search(SECTION.sub("", text))]
    assert not bare, bare
    return found["shown"]


def check(page: Any, explorer: Any, trace: str, clean: str = "", **settings: Any) -> int:
    """Compare every number of a page with the explorer's, by its repr, and its text with both. Return how many."""
    shown = read(page)
    for one in shown:
        index = [int(place) for place in one["index"].split(",") if place]
        known = values_of(explorer, clean if one["clean"] and clean else trace, one["name"], index, settings)
        assert one["value"] in known, (one, known)
        check_text(one["text"], float(one["value"]))
    return len(shown)


def values_of(explorer: Any, trace: str, name: str, index: list[int], settings: dict[str, Any]) -> set[str]:
    """Return the reprs that a number of this name may have; nearly always one."""
    if name.startswith("next."):
        request = {"ask": "next", "trace": trace, "position": index[0], "search": str(index[1]), "limit": 100}
        rows = ask(explorer, **request, **settings)["tokens"]
        return {repr(float(row[name[5:]])) for row in rows if row["token"]["id"] == index[1]}
    if name.startswith("sweep."):
        found = settings["sweep"]
        what = {"sweep.clean": found["clean"]["difference"], "sweep.corrupt": found["corrupt"]["difference"]}
        if name in what:
            return {repr(float(what[name]))}
        clean, corrupt = what.values()
        return {repr((found["differences"][index[0]][index[1]] - corrupt) / (clean - corrupt))}
    if name == "contribution.rounding":
        return {
            repr(float(ask(explorer, ask="contributions", trace=trace, position=index[0], token=index[1])["rounding"]))
        }
    if found := re.fullmatch(r"(.+)\.(line\.(\d+)|rounding|rounding\.bound|before)", name):
        story = ask(explorer, ask="number", trace=trace, name=found[1], index=index)
        if found[2] == "before":
            return {repr(float(story["change"]["before"]))}
        if found[2].startswith("rounding"):
            return {repr(float(story["rounding"]["bound" if "bound" in found[2] else "value"]))}
        return line_values(story["lines"][int(found[3])]) | {repr(float(one["value"])) for one in story["lines"]}
    return {repr(float(ask(explorer, ask="values", trace=trace, name=name, at=index)["values"]))}


def line_values(line: dict[str, Any]) -> set[str]:
    """Return the reprs of a line's result, its operands, their factors and the rest."""
    values = [line["value"], *(line["rest"] or {"values": []})["values"]]
    for operand in line["operands"]:
        values += [operand["value"], *(factor["value"] for factor in operand.get("factors", []))]
    return {repr(float(value)) for value in values}


def ask(explorer: Any, **request: Any) -> dict[str, Any]:
    """Return an answer that is no error."""
    answer = explorer.answer(request)
    assert "error" not in answer, answer
    return answer


def check_text(text: str, value: float) -> None:
    """Compare what is written with the value, as far as its digits go. A word that stands for a number is let be."""
    plain = text.replace("−", "-").replace("∞", "inf")
    plain = re.sub(
        "·10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda m: "e" + m[1].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")), plain
    )
    if plain in ("< 0.01 %", "> 99.9 %"):
        assert value < 1e-4 if plain[0] == "<" else 0.999 < value <= 1
        return
    scale = 100 if plain.endswith(" %") else 1
    if re.fullmatch(r"-?(\d|nan|inf)[\d.e+-]*", (number := plain.removesuffix(" %")).lower()):
        assert abs(float(number) - scale * value) <= 0.06 * abs(scale * value) or str(value) in ("nan", "inf"), text
