"""Activation patching: where the information is that makes the model say one token rather than another.

In the run of a corrupt prompt one value of one position is replaced by that of the run of a clean prompt, for every
block and position. What the logits say then shows how much that place carries. Source: Meng et al. 2022, "Locating and
Editing Factual Associations in GPT", section 2 (causal tracing); Wang et al. 2022, arXiv:2211.00593, section 3.
"""

from collections.abc import Callable, Sequence
from typing import Any

from starchart import GPT2
from starchart.errors import RequestError
from starchart.tap import Changes, Recording
from starchart.token_ids import checked_ids

KINDS = ("resid_pre", "resid_mid", "resid_post", "attn.z", "attn.c_proj", "mlp.c_proj")


def patch_residual(
    gpt2: GPT2,
    clean: Sequence[int],
    corrupt: Sequence[int],
    answer: int,
    wrong: int,
    kind: str = "resid_pre",
    progress: Callable[[int, int], object] = lambda *_: None,
) -> list[list[float]]:  # [T], [T] -> [L][T]
    """Return logit[answer] - logit[wrong] of the last token of `corrupt`, for each block and position patched.

    `kind`: which value is patched, "resid_pre" for `h.N.resid_pre`. Tokens before the position stay as they are, so
    they are read once and forked from the cache. Raises RequestError for prompts that are not equally long.
    """
    if kind not in KINDS:
        raise RequestError(f"{kind!r} cannot be patched; one of {', '.join(KINDS)} can")
    if len(clean) != len(corrupt):
        raise RequestError(
            f"the prompts must have equally many tokens: the first has {len(clean)}, the second {len(corrupt)}"
        )
    checked_ids([answer, wrong], gpt2.config.vocab_size)
    names = [f"h.{n}.{kind}" for n in range(gpt2.config.n_layer)]
    recording = Recording(*names)
    gpt2.logits(clean, last_only=True, tap=recording)
    effects: list[list[float]] = [[] for _ in names]
    cache = None
    for position in range(len(corrupt)):
        for n, name in enumerate(names):
            progress(position * len(names) + n, len(corrupt) * len(names))
            past = gpt2.fork(cache) if cache else None
            with Changes({name: _with_first(recording[name], position)}) as tap:
                ((*_, logits), _) = gpt2.read(corrupt[position:], past, tap=tap)
            effects[n].append(logits[answer] - logits[wrong])
        _, cache = gpt2.read(corrupt[position : position + 1], cache)
    return effects


def _with_first(source: Any, position: int) -> Callable[[Any], Any]:
    """Return a function that puts the row at `position` of `source` in the place of the first row of a value."""

    def change(value: Any) -> Any:
        if hasattr(value[0][0], "__len__"):  # [H][T][D]
            return [[source[head][position], *rows[1:]] for head, rows in enumerate(value)]
        return [source[position], *value[1:]]

    return change
