"""The engines that come with the package, by name."""

from starchart.engine import Engine
from starchart.engines import reference
from starchart.engines.packed.arithmetic.lanes import FAST, FULL
from starchart.engines.packed.filling import Progress
from starchart.engines.packed.pack_cache import user_cache
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.errors import GenerationError

_PRECISIONS = {"full": FULL, "fast": FAST}


def no_progress(what: str, done: int, total: int) -> None:
    """Show no progress."""


def engine_named(
    name: str, precision: str, workers: int | None, pack_cache: bool, progress: Progress = no_progress
) -> Engine:
    """Return the engine called `name`. Raises GenerationError for one that does not exist."""
    if name not in ("reference", "packed"):
        raise GenerationError(f"there is no engine {name!r}; known are reference and packed")
    if name == "reference" and precision == "full":
        if workers not in (None, 1):
            raise GenerationError(f"the reference engine computes in 1 process, not {workers}; leave workers out")
        return reference
    if name == "reference" or precision not in _PRECISIONS:
        raise GenerationError(
            f"the {name} engine has no precision {precision!r}; packed has full and fast, reference full"
        )
    return PackedEngine(_PRECISIONS[precision], workers, user_cache() if pack_cache else None, progress)
