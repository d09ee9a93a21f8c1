"""Embeddings: lookup and sum must have equal bits; the output projection is compared with exact fractions."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from starchart.embeddings.embedding_lookup import EmbeddingWeights, embed
from starchart.embeddings.input_embeddings import input_embeddings
from starchart.embeddings.output_projection import output_projection
from starchart.engines import reference
from starchart.tap import Recording
from starport.verify.check import Check, Measure, attempt, short
from starport.verify.distance import peers, same_bits

_ODD_NUMBERS = [0.0, -0.0, 5e-324, -2.2e-308, 1.7e308, -1.7e308]


def checks(model: Path) -> Iterator[Check]:  # noqa: ARG001  these checks use no model
    """Yield the checks of the embeddings."""
    draw = np.random.Generator(np.random.PCG64(5))
    wte, wpe = draw.standard_normal((37, 11)), draw.standard_normal((23, 11))
    wte[3, :6], wpe[2, :6] = _ODD_NUMBERS, _ODD_NUMBERS[1:] + _ODD_NUMBERS[:1]
    ids = [3, 36, 0, 3, 20]
    yield attempt("embeddings", "lookup", _lookup, ids, wte)
    yield attempt("embeddings", "sum", _sum, ids, wte, wpe)
    x, table = draw.standard_normal((4, 33)), draw.standard_normal((29, 33))
    yield attempt("embeddings", "output projection", _projection, x, table)


def _lookup(ids: list[int], table: Any) -> Check:
    ours = embed(ids, table.tolist())
    theirs = {
        "NumPy": table[ids],
        "PyTorch": torch.nn.functional.embedding(torch.tensor(ids), torch.from_numpy(table)).numpy(),
    }
    return _bits("lookup", "rows of a table, with subnormals and -0.0", ours, theirs)


def _sum(ids: list[int], wte: Any, wpe: Any) -> Check:
    """Compare wte[ids] + wpe[positions], for tokens at the start of a text and after 14 others."""
    ours: list[Any] = []
    theirs: dict[str, list[Any]] = {"NumPy": [], "PyTorch": []}
    tables = EmbeddingWeights(wte.tolist()), EmbeddingWeights(wpe.tolist())
    for first in (0, 14):
        recording = Recording()
        ours.append(input_embeddings(ids, first, *tables, reference, recording))
        ours += [recording["wte"], recording["wpe"]]
        places = list(range(first, first + len(ids)))
        theirs["NumPy"] += [wte[ids] + wpe[places], wte[ids], wpe[places]]
        tokens, positions = torch.from_numpy(wte)[ids], torch.from_numpy(wpe)[places]
        theirs["PyTorch"] += [(tokens + positions).numpy(), tokens.numpy(), positions.numpy()]
    return _bits("sum", "tokens plus positions, from position 0 and from position 14", ours, theirs)


def _bits(name: str, what: str, ours: Any, theirs: dict[str, Any]) -> Check:
    same = {f"same bits as {peer}": same_bits(ours, values) for peer, values in theirs.items()}
    passed = all(same.values())
    finding = f"{what}: {'the same bits as' if passed else 'NOT the same bits as'} {' and '.join(theirs)}"
    return Check("embeddings", name, passed, finding, same)


def _projection(x: Any, table: Any) -> Check:  # [T][C], [V][C]
    """Compare logits with exact sums of products. The error bound is 2 u sum |x_i w_i|, u = 2^-53."""
    exact = [[[Fraction(a) * Fraction(b) for a, b in zip(row, other, strict=True)] for other in table] for row in x]

    def error(logits: Any) -> float:
        return max(
            float(abs(Fraction(float(logits[t][v])) - sum(terms)) / sum(map(abs, terms)) * 2**53)
            for t, rows in enumerate(exact)
            for v, terms in enumerate(rows)
        )

    ours = output_projection(x.tolist(), table.tolist(), last_only=False)
    last = output_projection(x.tolist(), table.tolist(), last_only=True)
    shapes = np.shape(ours) == (len(x), len(table))
    found = error(ours) if shapes else float("inf")
    theirs = {"NumPy": error(x @ table.T), "PyTorch": error(torch.from_numpy(x) @ torch.from_numpy(table).T)}
    alone = shapes and same_bits(last, ours[-1:])
    measure = Measure(found, 2.0, "u sum|a b|", theirs, "beside exact fractions")
    passed = alone and found <= measure.bar
    finding = "the last row alone has the same bits"
    if not passed:
        finding = f"error {short(found)} u sum |x w|, the bound is 2; {peers(theirs)}"
    if not alone:
        finding = "the row of the last token alone differs from the last of all rows"
    return Check("embeddings", "output projection", passed, finding, {"last row alone": alone}, measure)
