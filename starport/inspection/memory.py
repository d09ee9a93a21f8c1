"""How much memory a model needs on each engine at full context."""

from collections.abc import Mapping

from starchart.checkpoints.names import is_layer_matrix
from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.engines.packed.arithmetic.lanes import FAST, FULL
from starchart.engines.packed.limits import number_of_workers, packed_memory
from starchart.model.config import GPT2Config

_PYTHON = 40 << 20  # bytes: Python itself, and temporary copies while a matrix is prepared
_PER_ARRAY = 88  # bytes of an array object and of its reference in a list


def memory_needed(config: GPT2Config, tensors: Mapping[str, StoredTensor]) -> dict[str, int]:
    """Return the approximate bytes that each engine needs, over all its processes; `tensors` are the weights."""
    processes = number_of_workers(config, None)
    tables = 2 if "lm_head.weight" in tensors else 1
    return {
        "reference": _reference(config, tensors),
        "packed, full precision": packed_memory(config, FULL, processes, tables),
        "packed, fast precision": packed_memory(config, FAST, processes, tables),
    }


def _reference(config: GPT2Config, tensors: Mapping[str, StoredTensor]) -> int:
    """Weights are arrays, 4 or 8 bytes per number: one for each row of a table or column of a layer's matrix."""
    numbers = sum(tensor.count * (8 if tensor.dtype == "F64" else 4) for tensor in tensors.values())
    arrays = sum(tensor.shape[is_layer_matrix(name)] for name, tensor in tensors.items() if len(tensor.shape) > 1)
    # Keys and values are doubles. A key is an array for each head, values are arrays for all tokens.
    cache = config.n_layer * config.n_positions * (2 * 8 * config.n_embd + _PER_ARRAY * config.n_head)
    return numbers + _PER_ARRAY * arrays + cache + _PYTHON
