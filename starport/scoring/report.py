"""Scores as a table and as JSON, with the recipe that they were computed by."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from starchart.tokenizer.tokenizer import END_OF_TEXT
from starport.scoring.score import Score, total
from starport.scoring.windows import Recipe

_COLUMNS = ("documents", "bytes", "tokens", "log-likelihood", "perplexity per token", "bits per byte")


def score_report(scores: Mapping[str, Score], recipe: Recipe) -> dict[str, Any]:
    """Return the scores of each file and of all together, as JSON values; an infinite perplexity is null."""
    return {
        "files": [{"file": name, **_numbers(score)} for name, score in scores.items()],
        **_numbers(total(list(scores.values()))),
        "recipe": {
            "context": recipe.context,
            "stride": recipe.stride,
            "precedes": END_OF_TEXT,
            "precedes_id": recipe.prefix,
            "documents": f"split at lines that are exactly {END_OF_TEXT}, stripped, empty ones left out",
            "counted": f"every token of a document once, in the first window that contains it; not {END_OF_TEXT}",
            "log_likelihood": "sum of ln p(token | those before it in its window), in nats",
            "perplexity": "exp(-log_likelihood / tokens)",
            "bits_per_byte": "-log_likelihood / ln 2 / bytes; bytes of the documents in UTF-8",
        },
    }


def _numbers(score: Score) -> dict[str, Any]:
    return {
        "documents": score.documents,
        "bytes": score.bytes,
        "tokens": score.tokens,
        "log_likelihood": score.log_likelihood,
        "perplexity": score.perplexity if isfinite(score.perplexity) else None,
        "bits_per_byte": score.bits_per_byte,
    }


def score_table(scores: Mapping[str, Score], recipe: Recipe) -> str:
    """Return a table with a row per file, a last row for all if there are several, and the recipe in sentences."""
    every = total(list(scores.values()))
    rows = {**scores, "all": every} if len(scores) > 1 else scores
    cells = [("", *_COLUMNS), *((name, *_cells(score)) for name, score in rows.items())]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_line(row, widths) for row in cells]
    return "\n".join([*lines, "", *_sentences(every, recipe)])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers = row
    return "  ".join([name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])])


def _cells(score: Score) -> tuple[str, ...]:
    counts = (score.documents, score.bytes, score.tokens)
    likelihood = f"{score.log_likelihood:.3f} nats"
    return (*map(str, counts), likelihood, f"{score.perplexity:.6g}", f"{score.bits_per_byte:.4f}")


def _sentences(every: Score, recipe: Recipe) -> list[str]:
    return [
        f"Documents are split at lines that are exactly {END_OF_TEXT}, and stripped.",
        f"Each is read after one {END_OF_TEXT} (id {recipe.prefix}), which is not counted.",
        f"Windows hold at most {recipe.context} tokens, that one included, and begin {recipe.stride} apart (stride).",
        "Each token is predicted once, in the first window that contains it, from the tokens before it in that window.",
        "log-likelihood = sum of ln p of the predicted tokens",
        f"perplexity per token = exp(-log-likelihood / {every.tokens} tokens)",
        f"bits per byte = -log-likelihood / ln 2 / {every.bytes} bytes of UTF-8",
    ]
