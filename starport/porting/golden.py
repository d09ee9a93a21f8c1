"""Golden values: every named value of a prompt's pass and of greedy steps with the cache, in a folder with an index.

index.json              what ran, the ids, and of each value its shape, sha256, sum, smallest, largest and first numbers
values.safetensors      the values (or values.npz, values.json, or a file NAME.npy for each)

Each value is written as it comes by, and only one is looked at at a time.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from starchart import GPT2
from starchart.checkpoints.numbers.number_types import bytes_of
from starchart.errors import PortingError
from starchart.generation.sampling import SamplingSettings, sample
from starchart.generation.torch_random import TorchGenerator
from starchart.model.cache import Cache
from starchart.model.config import GPT2Config
from starchart.tap import Tap
from starchart.token_ids import checked_ids
from starport.conversion.config_files import config_values
from starport.porting.new_folder import checked_new_folder, new_folder
from starport.porting.pass_names import Shapes, matching, pass_shapes, step_prefix
from starport.porting.stored_numbers import DTYPES, stored_rows, summary
from starport.porting.value_files import FORMATS, Put

INDEX = "index.json"
_GREEDY = SamplingSettings(temperature=0)

Progress = Callable[[str, int, int], None]  # what is going on, how many are done, of how many


@dataclass(frozen=True)
class Golden:
    """Checked settings of a folder of golden values. `shapes` are those of the values that are written, by name."""

    ids: list[int]
    steps: int
    folder: Path
    dtype: str  # F64 or F32
    format: str
    shapes: Shapes

    @classmethod
    def planned(
        cls,
        config: GPT2Config,
        ids: Sequence[int],
        out: str,
        *,
        steps: int = 0,
        dtype: str = "f64",
        format_name: str = "safetensors",
        only: Sequence[str] = (),
    ) -> "Golden":
        """Return checked settings. Raises StarchartError: for ids, a pattern or a folder that will not do."""
        ids = checked_ids(ids, config.vocab_size)
        if steps < 0:
            raise PortingError(f"--new {steps}: give a whole number of steps, 0 or more")
        if len(ids) + steps > config.n_positions:
            raise PortingError(
                f"{len(ids)} tokens and {steps} steps do not fit: this model reads at most {config.n_positions}"
            )
        shapes = matching(pass_shapes(config, len(ids), steps), only)
        return cls(ids, steps, checked_new_folder(out), DTYPES[dtype], format_name, shapes)

    @property
    def size(self) -> int:
        """How many bytes the numbers take, each as one number of `dtype`."""
        return sum(bytes_of(prod(shape), self.dtype) for shape in self.shapes.values())

    def write(self, gpt2: GPT2, about: Mapping[str, Any], progress: Progress) -> None:
        """Run the model and write the folder; `about` is what else the index says. Raises StarchartError."""
        open_files, file = FORMATS[self.format]
        with new_folder(self.folder, self.size, last=INDEX) as folder:
            with open_files(folder, self.shapes, self.dtype) as put:
                writing = _Writing(self, put, progress)
                generated = _passes(gpt2, self.ids, self.steps, writing.tap)
            config = replace(gpt2.config, tie_word_embeddings="lm_head.weight" not in gpt2.weights)
            index = {
                **about,
                "config": config_values(config),
                "ids": self.ids,
                "generated_ids": generated,
                "dtype": self.dtype,
                "format": self.format,
                "file": file,
                "values": writing.summaries,
            }
            (folder / INDEX).write_text(_index_text(index), encoding="utf-8")


class _Writing:
    """Writes values as they come by, and keeps what the index says about them."""

    def __init__(self, golden: Golden, put: Put, progress: Progress) -> None:
        self._golden, self._put, self._progress = golden, put, progress
        self.summaries: dict[str, dict[str, Any]] = {}

    def tap(self, step: int) -> Tap:
        """Return the tap of a step; 0 is the pass of the prompt."""
        shapes, dtype, prefix = self._golden.shapes, self._golden.dtype, step_prefix(step)

        def write(name: str, value: Any) -> Any:
            name = prefix + name
            if name in shapes:
                self._progress("writing values:", len(self.summaries), len(shapes))
                self._put(name, stored_rows(value, dtype))
                self.summaries[name] = {"shape": shapes[name], "dtype": dtype, **summary(value, dtype)}
            return value

        return write


def _passes(gpt2: GPT2, ids: Sequence[int], steps: int, tap: Callable[[int], Tap]) -> list[int]:
    """Read the prompt, then `steps` tokens, each the likeliest after those before it, and return these tokens.

    The end of a text does not end it: every step is wanted.
    """
    generated: list[int] = []
    row, cache = _read(gpt2, ids, None, tap(0))
    for step in range(1, steps + 1):
        generated.append(sample(row, _GREEDY, TorchGenerator(0)))
        row, cache = _read(gpt2, generated[-1:], cache, tap(step))
    return generated


def _read(gpt2: GPT2, ids: Sequence[int], cache: Cache | None, tap: Tap) -> tuple[list[float], Cache]:  # [T] -> [V]
    """Return the logits after the last of `ids`, and the cache. Those after the others are not kept."""
    logits, cache = gpt2.read(ids, cache, last_only=False, tap=tap)
    return logits[-1], cache


def _index_text(index: Mapping[str, Any]) -> str:
    """Return JSON with a line for each entry, and for each value."""
    values = [f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in index["values"].items()]
    entries = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in index.items() if key != "values"]
    entries.append('  "values": {\n' + ",\n".join(values) + "\n  }")
    return "{\n" + ",\n".join(entries) + "\n}\n"
