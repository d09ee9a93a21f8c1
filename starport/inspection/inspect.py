"""Reads what a checkpoint contains, even if it cannot be loaded."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from starchart.checkpoints.checkpoint import open_found_tensors
from starchart.checkpoints.model_files import known_format, weights_path
from starchart.checkpoints.names import is_mask, our_name
from starchart.checkpoints.numbers.number_types import is_weight_dtype
from starchart.checkpoints.stored_tensor import StoredTensor, read_parts, stamp_of
from starchart.checkpoints.weights import tensor_shapes
from starchart.errors import CheckpointError, NoVocabularyError, VocabularyError
from starchart.files.regular_file import open_regular_file
from starchart.model.config import GPT2Config
from starchart.tokenizer.tokenizer import Tokenizer, check_vocabulary
from starport.inspection.statistics import Statistics, statistics_of

Progress = Callable[[str, int, int], None]

# Files beside the weights that are read with them.
_BESIDE = (
    "config.json", "generation_config.json", "hparams.json",
    "vocab.json", "merges.txt", "added_tokens.json", "tokenizer.json", "encoder.json", "vocab.bpe",
)  # fmt: skip
_NAMES = set(tensor_shapes(GPT2Config(n_layer=1), untied=True))
NO_VOCABULARY = "no vocabulary"
WEIGHT, TIED, MASK, STRANGER = "weight", "tied", "mask", "stranger"


@dataclass(frozen=True)
class InspectedFile:
    """A file of a model."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class InspectedTensor:
    """A tensor: where it is stored, its name here, whether the model uses it, and the statistics of its values.

    `use` is "weight" if the model uses it. Otherwise it is "tied" (an output projection that repeats wte), "mask" (of
    attention, stored by old files) or "stranger" (not a tensor of a GPT-2).
    """

    stored: StoredTensor
    name: str
    use: str
    values: Statistics | None


@dataclass(frozen=True)
class Inspection:
    """Everything that was found.

    `used` are the weights of the model, or None if it cannot be loaded. `faults` are the error messages.
    """

    format: str | None
    files: list[InspectedFile]
    tensors: list[InspectedTensor]
    config: GPT2Config | None
    used: Mapping[str, StoredTensor] | None
    vocabulary: str
    faults: list[str]

    @property
    def parameters(self) -> int:
        """The number of parameters of the model; tied weights count once."""
        return sum(tensor.stored.count for tensor in self.tensors if tensor.use == WEIGHT)


def inspect(model: Path, values: bool, progress: Progress) -> Inspection:
    """Return what a model contains: a folder, or a file of weights. With `values` all weights are read.

    Raises CheckpointError if a file cannot be read for its SHA-256.
    """
    faults: list[str] = []
    tensors: Mapping[str, StoredTensor] = {}
    used: Mapping[str, StoredTensor] | None = None
    path = kind = config = None
    try:
        path = weights_path(model)
        kind = known_format(path)
        tensors = kind.open(path)
        config, used = open_found_tensors(path, kind)
    except CheckpointError as error:
        faults.append(str(error))
    files = [_inspected_file(file) for file in _files(model, path, tensors)]
    rows: list[InspectedTensor] = []
    for number, (name, tensor) in enumerate(tensors.items()):
        progress("reading", number, len(tensors))
        use = _use(our_name(name), tensor, used)
        known = values and is_weight_dtype(tensor.dtype)
        found = statistics_of(read_parts(tensor, checked=False)) if known else None
        if use == WEIGHT:
            faults += _fault(tensor, found)
        rows.append(InspectedTensor(tensor, our_name(name), use, found))
    vocabulary, fault = _vocabulary(model, config)
    faults += [fault] if fault and fault not in faults else []  # a damaged GGUF file is both
    return Inspection(kind.name if kind else None, files, rows, config, used, vocabulary, faults)


def _use(name: str, tensor: StoredTensor, used: Mapping[str, StoredTensor] | None) -> str:
    """Return the `use` of a tensor. If the model cannot be loaded, only the name decides."""
    if is_mask(name):
        return MASK
    if used is None:
        return WEIGHT if re.sub(r"^h\.[0-9]+\.", "h.0.", name) in _NAMES else STRANGER
    if tensor in used.values():
        return WEIGHT
    return TIED


def _fault(tensor: StoredTensor, values: Statistics | None) -> Iterator[str]:
    """Yield the loader's error for a tensor with NaN or infinity, or one that cannot be read."""
    if values is None and is_weight_dtype(tensor.dtype):
        return
    if values and not values.nans and not values.infinities:
        return
    try:
        for _ in read_parts(tensor):
            pass
    except CheckpointError as error:
        yield str(error)


def _files(model: Path, weights: Path | None, tensors: Mapping[str, StoredTensor]) -> list[Path]:
    """Return the files of the weights, then the other files of the model; no files if there are no weights."""
    folder = model if model.is_dir() else model.parent
    found = [*([weights] if weights else []), *(tensor.path for tensor in tensors.values())]
    beside = [folder / name for name in _BESIDE if (folder / name).is_file()]
    return list(dict.fromkeys([*found, *beside])) if found else []


def _inspected_file(path: Path) -> InspectedFile:
    try:
        with open_regular_file(path) as file:
            return InspectedFile(path, stamp_of(file)[0], file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None


def _vocabulary(model: Path, config: GPT2Config | None) -> tuple[str, str]:
    """Return a short description of the vocabulary, and what is wrong with it ("" if nothing is)."""
    try:
        tokenizer = Tokenizer.from_pretrained(model)
        if config:
            check_vocabulary(tokenizer, config.vocab_size)
    except NoVocabularyError:
        return NO_VOCABULARY, ""
    except VocabularyError as error:
        return "none that fits", str(error)
    return f"{tokenizer.vocab_size} tokens", ""
