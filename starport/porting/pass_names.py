"""The names and shapes of all values of a prompt's pass and of the steps after it, known before the model runs.

wte, wpe, h.0.resid_pre, ..., logits                the pass of the prompt, T tokens: S = T
step.1/wte, ..., step.1/h.0.attn.scores, ...        the first step with the cache, one token: T = 1, S grows by 1
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from starchart.errors import PortingError
from starchart.files.json_file import shown
from starchart.model.config import GPT2Config
from starchart.value_graph.graph import value_graph
from starport.terminal.suggestions import did_you_mean

Shapes = dict[str, tuple[int, ...]]


def step_prefix(step: int) -> str:
    """Return what stands before the names of a step's values: "" for the prompt, which is step 0.

    >>> step_prefix(0), step_prefix(2)
    ('', 'step.2/')
    """
    return f"step.{step}/" if step else ""


def pass_shapes(config: GPT2Config, tokens: int, steps: int) -> Shapes:
    """Return the shape of every value of a prompt of `tokens` tokens and of `steps` steps, in the order of the run."""
    shapes = _shapes(config, tokens, tokens)
    for step in range(1, steps + 1):
        names = _shapes(config, 1, tokens + step)
        shapes |= {step_prefix(step) + name: shape for name, shape in names.items()}
    return shapes


def _shapes(config: GPT2Config, new: int, seen: int) -> Shapes:
    """Return the shapes of a pass of `new` tokens, T, that are the last of `seen` tokens, S."""
    channels, heads = config.n_embd, config.n_head
    sizes = {"T": new, "S": seen, "C": channels, "3C": 3 * channels, "H": heads, "D": channels // heads}
    sizes |= {"F": config.feed_forward_width, "V": config.vocab_size}
    return {name: tuple(sizes[axis] for axis in value.shape) for name, value in value_graph(config).items()}


def matching(shapes: Shapes, patterns: Iterable[str]) -> Shapes:
    """Return the values whose names match one of `patterns`; all of them where there is no pattern.

    In a pattern `*` stands for any characters. A name matches as it is, or without the `step.N/` before it: `logits`
    stands for the logits of every pass, `step.2/logits` for those of one. Raises PortingError for a pattern that no
    name matches.
    """
    patterns = list(patterns)
    for pattern in patterns:
        if not any(_matches(name, pattern) for name in shapes):
            advice = did_you_mean(pattern, dict.fromkeys(map(_bare, shapes))) or "docs/NAMES.md lists the names"
            raise PortingError(f"--only {shown(pattern)}: no value of this run is called so; {advice}")
    return {
        name: shape
        for name, shape in shapes.items()
        if not patterns or any(_matches(name, pattern) for pattern in patterns)
    }


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(_bare(name), pattern)


def _bare(name: str) -> str:
    """Return the name of a value within its pass."""
    return name.rpartition("/")[2]
