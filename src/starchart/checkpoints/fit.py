"""Do these tensors fit this configuration? One error says everything that does not."""

import re
from collections.abc import Iterator, Mapping, Sequence

from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.checkpoints.weight_tree import Shape, axis_sizes
from starchart.errors import CheckpointError
from starchart.files.json_file import shown
from starchart.model.config import GPT2Config

_BLOCK = re.compile(r"h\.([0-9]+)\.")
_TENSORS_OF_A_BLOCK = 12
_NAMED = 5  # how many tensors of a kind an error names

# Where a size of the configuration can be read off the file: key, letter, tensor, axis.
_TELLTALES = (
    ("vocab_size", "V", "wte.weight", 0),
    ("n_embd", "C", "wte.weight", 1),
    ("n_positions", "P", "wpe.weight", 0),
    ("n_inner", "F", "h.0.mlp.c_fc.weight", 1),
)


def refuse_other_model(tensors: Mapping[str, StoredTensor], config: GPT2Config, source: str) -> None:
    """Raise CheckpointError if the configuration is that of another model, with the number that tells it.

    This is plainer than the hundred wrong shapes that follow from that number, and it comes before anything is counted
    up to n_layer, which may be any number in a file that lies. A file with too few tensors for its blocks is refused
    here too, since each block costs what twelve tensors do.
    """
    if not any(map(_BLOCK.match, tensors)):
        held = _listed([shown(name) for name in tensors]) if tensors else "no tensors at all"
        raise CheckpointError(f"{source}: holds no blocks of a GPT-2 (h.0.ln_1.weight and so on), but {held}")
    contradictions = list(_contradictions(tensors, config))
    if contradictions:
        raise CheckpointError(f"{source}: is not the model of its configuration: {'; '.join(contradictions)}")
    if len(tensors) < _TENSORS_OF_A_BLOCK * config.n_layer:
        held = _listed([shown(name) for name in tensors])
        raise CheckpointError(
            f"{source}: has {config.n_layer} blocks of a GPT-2, each of {_TENSORS_OF_A_BLOCK} tensors, but"
            f" {len(tensors)} tensors in all: {held}"
        )


def refuse_differences(tensors: Mapping[str, StoredTensor], shapes: Mapping[str, Shape], source: str) -> None:
    """Raise CheckpointError that lists all tensors whose name is missing or unknown, or whose shape is wrong."""
    missing = [name for name in shapes if name not in tensors]
    unknown = [shown(tensor.name) for name, tensor in tensors.items() if name not in shapes]
    wrong = [
        f"{name} is {shown(list(tensors[name].shape))}, not {shown(list(shape))}"
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ]
    kinds = {"missing": missing, "unknown": unknown, "of the wrong shape": wrong}
    lists = [f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds.items() if names]
    if lists:
        raise CheckpointError(
            f"{source}: its tensors are not those of a GPT-2 with its configuration: {'; '.join(lists)}"
        )


def _contradictions(tensors: Mapping[str, StoredTensor], config: GPT2Config) -> Iterator[str]:
    sizes = axis_sizes(config)
    blocks = len({match[1] for match in map(_BLOCK.match, tensors) if match})
    if blocks != sizes["L"]:
        yield f"n_layer is {shown(sizes['L'])}, but the file has {blocks} blocks"
    for key, letter, name, axis in _TELLTALES:
        shape = tensors[name].shape if name in tensors else ()
        if len(shape) > axis and shape[axis] != sizes[letter]:
            said = "n_inner (4 n_embd)" if key == "n_inner" and config.n_inner is None else key
            yield f"{said} is {shown(sizes[letter])}, but {name} is {shown(list(shape))}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
