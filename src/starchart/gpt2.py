"""GPT2: a model and the engine that runs it, for logits, generation and weights.

with GPT2.from_pretrained("towel") as gpt2:
    logits = gpt2.logits([1, 2, 3])
    tokens = list(gpt2.generate([1, 2, 3], max_new_tokens=20, temperature=0.8, seed=42))
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from types import ModuleType, TracebackType
from typing import Literal

from starchart.box.boxed_model import model_folder
from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.checkpoints.model_files import SUFFIXES, UNREAD, WEIGHTS_FILES
from starchart.engine import Array, Engine
from starchart.engines import reference
from starchart.engines.by_name import engine_named, no_progress
from starchart.engines.packed.filling import Progress
from starchart.errors import GenerationError
from starchart.generation.generate import Limits, Step, generate
from starchart.generation.sampling import SamplingSettings
from starchart.model.cache import Cache, fork_cache, new_cache
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights, gpt_model, read_out
from starchart.named_weights import NamedWeights
from starchart.tap import Tap, no_tap
from starchart.token_ids import checked_ids
from starchart.utils.matrix import Matrix

# Tokens of a prompt read at once, unless the engine says how many: the attention scores of a long prompt, [H][T][S],
# need not all be in memory together.
_TOKENS_AT_ONCE = 16

_WEIGHTS = (*WEIGHTS_FILES, *SUFFIXES, *UNREAD)  # file endings of weights, those that the loader refuses included


@dataclass(frozen=True)
class _Logits:
    """The logits of the last token, of an engine's own kind."""

    array: Array
    engine: Engine

    def top(self, count: int) -> Sequence[float]:  # -> [V]
        """Return the row; see `starchart.generation.generate.Logits`."""
        row: Sequence[float] = (
            self.engine.top_logits(self.array, count) if count else self.engine.to_lists(self.array)[-1]
        )
        return row


class GPT2:
    """A GPT-2 that is ready to run. Close it, or use it in a `with` block: an engine may hold processes.

    `weights` has the numbers of the checkpoint by name, as lists; see `starchart.named_weights.NamedWeights`.
    """

    def __init__(
        self,
        config: GPT2Config,
        weights: GPTModelWeights,
        engine: Engine = reference,
        progress: Progress = no_progress,
    ) -> None:
        self.config = config
        self.weights = NamedWeights(weights, config)
        self._engine = engine
        self._weights = engine.prepare(weights, config)
        self._progress = progress
        self._tokens_at_once: int = getattr(engine, "tokens_at_once", _TOKENS_AT_ONCE)

    @classmethod
    def from_pretrained(
        cls,
        model: str | PathLike[str],
        engine: str | Engine = "reference",
        *,
        revision: str | None = None,
        precision: str = "full",
        workers: int | None = None,
        pack_cache: bool = True,
        progress: Progress = no_progress,
    ) -> "GPT2":
        """Load a folder as transformers writes it (config.json, model.safetensors), a file of weights, or a name.

        Names are "towel", the model in the box, and those of the Hugging Face Hub ("gpt2", "ORG/NAME") that are in its
        cache, at `revision` (a branch, a tag or a commit). Nothing is downloaded. A file or folder that exists is used
        first.

        `engine` is "reference" (exact and slow), "packed" (fast), or any object with the operations of
        `starchart.engine.Engine`. For "packed": `precision` is "full" or "fast"; `workers` processes compute, this one
        included (None: what suits the model and the machine); with `pack_cache` the packed model is kept on disk for
        the next time. `progress(what, done, total)` is called during long work.

        Raises GenerationError for an unknown engine or precision, CheckpointError or ConfigError for a model that is
        missing, damaged or not a GPT-2, EngineError where the packed engine cannot run.
        """
        if isinstance(engine, str):
            engine = engine_named(engine, precision, workers, pack_cache, progress)
        return cls(*load_checkpoint(model_folder(model, revision, endings=_WEIGHTS)), engine, progress)

    @property
    def workers(self) -> int:
        """How many processes compute, this one included."""
        return int(getattr(self._engine, "workers", 1))

    def logits(
        self, ids: Sequence[int], *, last_only: bool = False, tap: Tap = no_tap
    ) -> list[list[float]]:  # [T] -> [T][V], or [1][V] with last_only
        """Return, after each of `ids`, the logit of every token of the vocabulary as the next token.

        `tap` sees or changes every named value on the way. Raises GenerationError for ids that the model cannot read.
        """
        return self.read(ids, last_only=last_only, tap=tap)[0]

    def read(
        self, ids: Sequence[int], cache: Cache | None = None, *, last_only: bool = True, tap: Tap = no_tap
    ) -> tuple[list[list[float]], Cache]:  # [T] -> [T][V], or [1][V] with last_only
        """Read `ids` after the tokens in `cache`. Return the logits, and the cache with `ids` in it.

        The given cache is used up. Raises GenerationError for ids that the model cannot read.
        """
        parts, cache = self._read(ids, cache, last_only, tap)
        return [row for part in parts for row in self._engine.to_lists(part)], cache

    def log_probabilities(self, ids: Sequence[int]) -> Iterator[float]:  # [T] -> [T-1]
        """Return an iterator over ln P of each of `ids` but the first, given those before it.

        They are finite unless the weights are huge. Raises GenerationError at once for ids that the model cannot read.
        """
        ids = checked_ids(ids, self.config.vocab_size)
        self._check_length(len(ids) - 1)  # nothing follows the last id
        return self._log_probabilities(ids)

    def _log_probabilities(self, ids: Sequence[int]) -> Iterator[float]:
        cache = None
        for start in range(0, len(ids) - 1, self._tokens_at_once):
            end = min(start + self._tokens_at_once, len(ids) - 1)
            (logits,), cache = self._read(ids[start:end], cache, last_only=False)
            yield from self._engine.log_probabilities(logits, ids[start + 1 : end + 1])

    def read_out(self, stream: Matrix) -> list[list[float]]:  # [T][C] -> [T][V]
        """Return the logits that vectors of the residual stream give: the last layer norm and the output projection.

        Of the values of `h.N.resid_post`, N the last block, they are the logits of the run, to the bit.
        """
        ops = self._engine
        logits: list[list[float]] = ops.to_lists(
            read_out(ops.from_lists(stream), self._weights, self.config, ops, no_tap, last_only=False)
        )
        return logits

    def fork(self, cache: Cache) -> Cache:
        """Return a copy of `cache`, for two continuations of one text."""
        return fork_cache(cache, self._engine)

    def generate(
        self,
        ids: Sequence[int],
        *,
        max_new_tokens: int = 20,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
        on_full: Literal["stop", "slide"] = "stop",
        tap: Tap = no_tap,
    ) -> Iterator[int]:  # [T] -> new ids
        """Return an iterator over new ids, each computed when it is asked for. The names are those of transformers.

        temperature 0 is greedy; top_k 0 and top_p 1 filter nothing out; a seed gives the same tokens as in
        transformers; without one, every call gives other tokens. The command line has other defaults (temperature 0.8,
        top_k 40, 60 new tokens): pass those here for the tokens that it draws with the same seed.

        `tap` sees or changes every named value of each step: first of the T tokens of the prompt, then of one token at
        a time. A `Recording` holds the last step. See `starchart.generation.generate` for the end of a text.
        Raises GenerationError at once for a setting out of its range or a prompt that does not fit.
        """
        settings = SamplingSettings(temperature, top_k, top_p, seed)
        steps = self.steps(ids, settings, max_new_tokens=max_new_tokens, on_full=on_full, tap=tap)
        return (step.token for step in steps)

    def steps(
        self,
        ids: Sequence[int],
        settings: SamplingSettings,
        *,
        max_new_tokens: int = 20,
        on_full: Literal["stop", "slide"] = "stop",
        tap: Tap = no_tap,
    ) -> Iterator[Step]:  # [T] -> new tokens
        """Return an iterator over the steps of `generate`: tokens with their logits and the reason of the end."""
        limits = Limits(self.config.n_positions, self.config.eos_token_ids, max_new_tokens, on_full)
        return generate(checked_ids(ids, self.config.vocab_size), partial(self._read_last, tap), limits, settings)

    def close(self) -> None:
        """Release what the engine holds. The model cannot be used afterwards."""
        self._engine.close()

    def __repr__(self) -> str:
        c, engine = self.config, self._engine
        name = f"{engine.__name__.rpartition('.')[2]} engine" if isinstance(engine, ModuleType) else repr(engine)
        return (
            f"GPT2({c.n_layer} layers, {c.n_head} heads, {c.n_embd} channels, {c.n_positions} positions,"
            f" {c.vocab_size} tokens; {name})"
        )

    def __enter__(self) -> "GPT2":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read(
        self, ids: Sequence[int], cache: Cache | None, last_only: bool, tap: Tap = no_tap
    ) -> tuple[list[Array], Cache]:
        """Read `ids` in parts. Return the logits of each part (with last_only: of the last), and the cache."""
        cache = cache or new_cache(self.config, self._engine)
        ids = checked_ids(ids, self.config.vocab_size)
        self._check_length(cache.length + len(ids))
        chunk = self._tokens_at_once if tap is no_tap else len(ids)
        parts: list[Array] = []
        for start in range(0, len(ids), chunk):
            if len(ids) > chunk:
                self._progress("reading", start, len(ids))
            part = ids[start : start + chunk]
            logits, cache = gpt_model(part, self._weights, cache, self.config, self._engine, tap, last_only)
            parts = [logits] if last_only else [*parts, logits]
        if len(ids) > chunk:
            self._progress("reading", len(ids), len(ids))
        return parts, cache

    def _check_length(self, length: int) -> None:
        if length > self.config.n_positions:
            raise GenerationError(f"{length} tokens do not fit: this model reads at most {self.config.n_positions}")

    def _read_last(self, tap: Tap, ids: Sequence[int], cache: Cache | None) -> tuple[_Logits, Cache]:  # [T] -> [V]
        parts, cache = self._read(ids, cache, last_only=True, tap=tap)
        return _Logits(parts[-1], self._engine), cache
